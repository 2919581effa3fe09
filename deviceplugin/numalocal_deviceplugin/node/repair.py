"""Bring every live container to where it should be, unasked: what answers left, drifted or moved.

One container at a time: setting its memory nodes moves its memory, which takes seconds for
gigabytes, and the runtime makes no container meanwhile.
"""

import logging
import threading
from collections.abc import Callable, Iterable

from numalocal_deviceplugin.correcting import Correction, corrections
from numalocal_deviceplugin.counters import Count
from numalocal_deviceplugin.errors import AgentError
from numalocal_deviceplugin.snapshot import Phase
from numalocal_deviceplugin.state import State

log = logging.getLogger(__name__)

Update = Callable[[Iterable[Correction]], None]
"""Bind containers otherwise; AgentError where the runtime does not."""

_PAUSE_S = 0.5
"""Between two rounds: what comes together is done together."""


class Repair:
    """Compare and correct, in rounds."""

    def __init__(self, state: State, update: Update) -> None:
        self._state = state
        self._update = update

    def run(self, stop: threading.Event, interval_s: float) -> None:
        """Look at every change and every interval, until told to stop."""
        version = -1
        while not stop.wait(_PAUSE_S):
            self._state.wait(version, interval_s)
            version = self._state.version
            if not stop.is_set():
                self.once()

    def once(self) -> None:
        """Correct what can be corrected now."""
        now = self._state.snapshot()
        if now.facts.runtime.phase is not Phase.SYNCHRONIZED or now.node.barred:
            return
        for one in corrections(now.node, undecided=now.facts.undecided):
            try:
                self._update([one])
            except AgentError as error:
                self._state.counters.add(Count.CORRECTION_FAILURES)
                log.warning(
                    "container not corrected",
                    extra={"pod": f"{one.pod.namespace}/{one.pod.name}", "err": str(error)},
                )
                continue
            self._state.applied([one])
            self._state.counters.add(Count.CORRECTIONS)
            log.info(
                "corrected",
                extra={
                    "pod": f"{one.pod.namespace}/{one.pod.name}",
                    "container": one.container.name,
                    "was": str(one.now.cpus),
                    "cpus": str(one.binding.cpus),
                    "mems": str(one.binding.mems),
                },
            )
