"""What the agent's parts share: facts go in, and one frozen view of the node comes out.

Here is the lock, and who waits for a change; what changes with what is for `events` to say.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from numalocal.errors import PoolUnmet
from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment
from numalocal.sets.partition import Partition
from numalocal_deviceplugin import events
from numalocal_deviceplugin.abilities import Told
from numalocal_deviceplugin.binding import refuse_unserved
from numalocal_deviceplugin.correcting import Correction
from numalocal_deviceplugin.counters import Counters
from numalocal_deviceplugin.facts import Facts, Phase, RequiredPlugins, Runtime, binds
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.refusals import Refusal
from numalocal_deviceplugin.settings import Settings
from numalocal_deviceplugin.settling import Listing, is_whole
from numalocal_deviceplugin.snapshot import Snapshot, snapshot
from numalocal_deviceplugin.standing import Policy, started_unbound


class State:
    """Own what changes while the agent runs; every method may be called from any thread.

    The sets are cut anew when the machine changes: they become smaller or unavailable, but none is
    renamed.  `counters` are for whoever sees what is counted.
    """

    def __init__(
        self,
        machine: Machine,
        partition: Partition,
        settings: Settings | None = None,
        *,
        counters: Counters | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counters = counters or Counters()
        self._settings = settings or Settings()
        self._clock = clock
        self._changed = threading.Condition(threading.RLock())
        self._facts = Facts(machine=machine, partition=partition)
        self._version = 0
        self._answering = 0
        self._cached: tuple[object, Snapshot] | None = None

    def snapshot(self) -> Snapshot:
        """Give the node as it is now."""
        with self._changed:
            now_s = self._clock()
            if self._facts.resting and min(self._facts.resting) <= now_s:
                self._take(events.rested(self._facts, now_s))
            bindable = binds(self._facts.runtime, self._settings, now_s)
            key = self._version, bindable
            if self._cached is None or self._cached[0] != key:
                now = snapshot(self._facts, self._settings, self._version, binds=bindable)
                self._cached = key, now
            return self._cached[1]

    @property
    def version(self) -> int:
        """A number that is another one after every change."""
        with self._changed:
            return self._version

    def wait(self, version: int, timeout_s: float) -> None:
        """Wait until the version is another one than this and nobody answers, at most so long."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._version != version and not self._answering, timeout_s
            )

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Let who waits for changes wait on, so that he looks at them after the answer.

        All of them look at the whole node then, and on a slow one an answer would come too late.
        """
        with self._changed:
            self._answering += 1
        try:
            yield
        finally:
            with self._changed:
                self._answering -= 1
                self._changed.notify_all()

    def wake(self) -> None:
        """Let everybody who waits look again."""
        with self._changed:
            self._version += 1
            if not self._answering:
                self._changed.notify_all()

    def set_machine(self, machine: Machine) -> None:
        """Take the machine as it is now, and cut it anew.

        Raises:
            PoolUnmet: where a pool gets nothing any more; then only what is online changes.
        """
        with self._changed:
            if machine == self._facts.machine:
                return
            try:
                facts = events.recut(self._facts, machine)
            except PoolUnmet:
                self._take(events.uncut(self._facts, machine))
                raise
            self._take(facts)

    def set_policy(self, policy: Policy) -> None:
        """Take whether the kubelet's own CPU manager pins containers."""
        with self._changed:
            self._take(replace(self._facts, policy=policy))

    def set_listing(self, listing: Listing, before: Ledger) -> bool:
        """Take what the kubelet lists; False where it has only just begun to know its pods.

        `before` is the ledger from before it was asked.
        """
        with self._changed:
            if not is_whole(listing, before):
                return False
            now_s = self._clock()
            self._take_claims(events.listed(self._facts, self._settings, listing, before, now_s))
            return True

    def refuse(self, source: str, refusals: Iterable[Refusal] = ()) -> None:
        """Take all that one part of the agent has to refuse now; none = nothing any more."""
        with self._changed:
            told = {**self._facts.told, source: tuple(refusals)}
            told = {key: some for key, some in told.items() if some}
            self._take(replace(self._facts, told=told))

    def runtime_told(self, told: Told) -> None:
        """Take what the runtime says of itself when it connects; it may be another one by now."""
        with self._changed:
            self._take_runtime(replace(self._facts.runtime, told=told))

    def runtime_synchronized(self) -> None:
        """From now on new containers are bound."""
        with self._changed:
            self._take_runtime(replace(self._facts.runtime, phase=Phase.SYNCHRONIZED))

    def runtime_lost(self) -> None:
        """From now on new containers are not bound; the grace begins."""
        with self._changed:
            self._take_runtime(self._facts.runtime.lost(self._clock()))

    def runtime_validates(self, enforced: bool) -> None:  # noqa: FBT001 - of one word
        """Take whether the runtime refuses a container while a plugin that it requires is away."""
        with self._changed:
            seen = RequiredPlugins.ENFORCED if enforced else RequiredPlugins.NOT_ENFORCED
            self._take_runtime(replace(self._facts.runtime, required_plugins=seen))

    def rebuild(self, pods: Iterable[Pod], containers: Iterable[tuple[Pod, Container]]) -> Snapshot:
        """Take the runtime's full list in place of all that is known of pods and containers.

        But for what those that live on have claimed.
        """
        with self._changed:
            facts = events.rebuilt(self._facts, self._settings, pods, containers)
            self.counters.live({one.id for _, one in facts.ledger.containers})
            self._take_claims(facts)
            return self.snapshot()

    def admit(self, pod: Pod, container: Container, given: Assignment | None) -> Snapshot:
        """Let a new container's pod hold its CPU sets.

        Raises:
            BindingRefused: where another pod holds them, or where it should have some.
        """
        with self._changed:
            refuse_unserved(pod, container, given, self.snapshot().node)
            if given is not None:
                ledger = self._facts.ledger.claim(pod, container, given)
                self._take(replace(self._facts, ledger=ledger))
            return self.snapshot()

    def created(
        self, pod: Pod, container: Container, taken_back: Iterable[Correction] = ()
    ) -> None:
        """Take a container that is about to live, as it will be, and what others lost to it."""
        with self._changed:
            ledger = self._facts.ledger.created(pod, container).bound(_places(taken_back))
            self._take(replace(self._facts, ledger=ledger))

    def applied(self, corrections: Iterable[Correction]) -> None:
        """Take what containers are bound to by now."""
        with self._changed:
            ledger = self._facts.ledger.bound(_places(corrections))
            self._take(replace(self._facts, ledger=ledger))

    def stopped(self, uid: str, container_id: str) -> None:
        """Forget a container that has stopped."""
        with self._changed:
            self._release(self._facts.ledger.stopped(uid, container_id))

    def gone(self, pod: Pod) -> None:
        """Forget a pod whose sandbox has stopped; its CPUs rest before they are lent."""
        with self._changed:
            self._release(self._facts.ledger.gone(pod))

    def _release(self, ledger: Ledger) -> None:
        was = self._facts.ledger.held
        facts = events.released(self._facts, self._settings, ledger, self._clock())
        if was == ledger.held:  # as with most pods: nobody can have waited for it
            self._take(facts)
        else:
            self._take_claims(facts)

    def _take_claims(self, facts: Facts) -> None:
        """Take facts in which live containers may have claimed what they waited for."""
        self.counters.unbound_starts(started_unbound(facts.ledger))
        self._take(facts)

    def _take_runtime(self, runtime: Runtime) -> None:
        self._take(replace(self._facts, runtime=runtime))

    def _take(self, facts: Facts) -> None:
        if facts != self._facts:
            self._facts = facts
            self.wake()


def _places(corrections: Iterable[Correction]) -> Iterator[tuple[str, str, IdSet, IdSet]]:
    for one in corrections:
        yield one.pod.uid, one.container.id, one.binding.cpus, one.binding.mems
