"""Bring every live container to where it should be, unasked: what answers left, drifted or moved.

What the kernel lets a container use is compared with the ledger at every change and every interval.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from numalocal_deviceplugin.correcting import Correction, Cpuset, corrections
from numalocal_deviceplugin.counters import Cause, Count
from numalocal_deviceplugin.errors import AgentError
from numalocal_deviceplugin.facts import Phase
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.node import cgroups, drift
from numalocal_deviceplugin.node.turns import Turns
from numalocal_deviceplugin.refusals import Refusal
from numalocal_deviceplugin.state import State

log = logging.getLogger(__name__)

Choose = Callable[[], Sequence[Correction]]
"""Say what to correct, while the runtime makes no container."""

Correct = Callable[[Choose], None]
"""Bind containers otherwise; AgentError or OSError where the runtime does not ask for it."""

SOURCE: Final = "drift"
_PAUSE_S: Final = 0.5
"""Between two rounds: what comes together is done together."""
_TURNS_OF_OTHERS: Final = 3
"""Where nothing changes, those without CPU sets are looked at in every third round."""


class Repair:
    """Compare and correct, in rounds."""

    def __init__(
        self,
        state: State,
        correct: Correct,
        cgroup_root: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = state
        self._correct = correct
        self._root = cgroup_root
        self._clock = clock
        self._tries = drift.Tries()
        self._turns = Turns(_TURNS_OF_OTHERS)

    def run(self, stop: threading.Event, interval_s: float) -> None:
        """Look at every change and every interval, until told to stop."""
        version = -1
        next_s = self._clock()
        while not stop.wait(_PAUSE_S):
            self._state.wait(version, max(0.0, next_s - self._clock()))
            version = self._state.version
            if not stop.is_set():
                self.once()
            next_s = self._tries.next_s(self._clock() + interval_s)

    def once(self) -> None:
        """Correct what can be corrected now, and say what stays wrong."""
        now = self._state.snapshot()
        if now.node.barred:
            self._state.refuse(SOURCE)
            return
        if now.facts.runtime.phase is not Phase.SYNCHRONIZED:
            return
        wrong = self._wrong(others=self._turns.is_due(now.facts))
        self._turns.rest(None if wrong else now.facts)
        self._tries = self._tries.seen(wrong, self._clock())
        if due := self._due(wrong):
            self._mend(due)
        self._state.refuse(SOURCE, self._refusals(wrong))

    def _wrong(self, *, others: bool = True) -> list[Correction]:
        now = self._state.snapshot()
        seen = seen_by_the_kernel(self._root, now.node.ledger, others=others)
        undecided = now.facts.undecided
        found = corrections(now.node, undecided=undecided, seen=seen, others=others)
        return [one for one in found if drift.harms(one)]

    def _due(self, wrong: Iterable[Correction]) -> list[Correction]:
        return [one for one in wrong if self._tries.is_due(one, self._clock())]

    def _mend(self, due: Sequence[Correction]) -> None:
        """Have the runtime ask, and answer with what is to be corrected at that moment."""
        chosen: list[Correction] = []

        def choose() -> Sequence[Correction]:
            wrong = self._wrong()
            self._tries = self._tries.seen(wrong, self._clock())
            due = self._due(wrong)
            # One move of memory at a time: the runtime makes no container until it has moved.
            later = [one for one in due if one.moves_memory][1:]
            chosen.extend(one for one in due if one not in later)
            sent = [*chosen, *(one.at_once for one in later)]
            self._state.applied(sent)  # now: what is created next is judged by it
            return sent

        try:
            self._correct(choose)
        except (AgentError, OSError) as error:
            self._state.counters.add(Count.CORRECTION_FAILURES)
            log.warning("containers not corrected", extra={"err": str(error)})
            for one in chosen or due:
                self._tries = self._tries.tried(one, self._clock(), str(error))
            return
        for one in chosen:
            self._tries = self._tries.tried(one, self._clock())
            cause = Cause.DRIFT if drift.is_told(one) else Cause.PLACEMENT
            self._state.counters.add(Count.CORRECTIONS, cause)
            log.info("corrected", extra=_fields(one))

    def _refusals(self, wrong: Sequence[Correction]) -> list[Refusal]:
        found = []
        for one in wrong:
            if self._tries.stays(one):
                parts = cgroups.parts_of(one.container.cgroup) or ()
                wanted = Cpuset(one.binding.cpus, one.binding.mems)
                above = cgroups.narrowest_above(self._root, parts, wanted)
                folder = self._root.joinpath(*parts)
                found.append(drift.refusal(one, self._tries, above, folder))
        return found


def seen_by_the_kernel(root: Path, ledger: Ledger, *, others: bool) -> Mapping[str, Cpuset]:
    """Read what live containers may use, by id; those whose cgroup has gone are left out.

    `others` are those without CPU sets; they keep their memory nodes, so these do not count.
    """
    wanted = []
    for pod, container in ledger.containers:
        is_bound = container.name in ledger.tenants[pod.uid].claims
        parts = cgroups.parts_of(container.cgroup)
        if parts is not None and (is_bound or others):
            wanted.append((parts, is_bound, container))
    seen = {}
    with closing(cgroups.Tree(root)) as tree:
        for parts, is_bound, container in sorted(wanted, key=lambda one: one[0]):
            if (cpuset := tree.cpuset(parts, mems=is_bound)) is not None:
                seen[container.id] = cpuset._replace(mems=cpuset.mems or container.mems)
    return seen


def _fields(one: Correction) -> Mapping[str, str]:
    return {
        "pod": f"{one.pod.namespace}/{one.pod.name}",
        "container": one.container.name,
        "was": str(one.now.cpus),
        "cpus": str(one.binding.cpus),
        "mems": str(one.binding.mems),
    }
