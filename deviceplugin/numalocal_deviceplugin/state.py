"""What the agent's parts share: facts go in, and one frozen view of the node comes out."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from typing import Any

from numalocal.errors import PoolUnmet
from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment
from numalocal.sets.partition import Partition
from numalocal.sets.partition import partition as cut
from numalocal_deviceplugin.abilities import Told
from numalocal_deviceplugin.binding import refuse_unserved
from numalocal_deviceplugin.correcting import Correction
from numalocal_deviceplugin.counters import Counters
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.rebuilding import rebuilt
from numalocal_deviceplugin.refusals import Refusal
from numalocal_deviceplugin.settings import Settings
from numalocal_deviceplugin.settling import Listing, contested, is_whole, settled
from numalocal_deviceplugin.snapshot import (
    Facts,
    Phase,
    RequiredPlugins,
    Snapshot,
    binds,
    node_of,
    snapshot,
)
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
            was = self._facts.resting
            resting = {until_s: cpus for until_s, cpus in was.items() if until_s > now_s}
            if len(resting) < len(was):
                self._take(resting=resting)
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
                parts = cut(machine, self._facts.partition.pools)
            except PoolUnmet:
                left = self._facts.machine.with_online(machine.online)
                self._take(machine=left if left.online else self._facts.machine)
                raise
            self._take(machine=machine, partition=parts)

    def set_policy(self, policy: Policy) -> None:
        """Take whether the kubelet's own CPU manager pins containers."""
        with self._changed:
            self._take(policy=policy)

    def set_listing(self, listing: Listing, before: Ledger) -> bool:
        """Take what the kubelet lists; False where it has only just begun to know its pods.

        `before` is the ledger from before it was asked.
        """
        with self._changed:
            if not is_whole(listing, before):
                return False
            known = {*listing, *(self._facts.listing or listing)}
            gone = self._facts.ledger.unknown_to(known) & before.unknown_to(known)
            if self._facts.listing is not None:  # at two looks, as the kubelet may just begin
                self._release(self._facts.ledger.without(gone))
            facts = replace(self._facts, listing=listing)
            facts = replace(facts, **self._settled(facts))
            node = node_of(facts, self._settings)
            self._take_all(replace(facts, contested=contested(node, listing, before)))
            return True

    def refuse(self, source: str, refusals: Iterable[Refusal] = ()) -> None:
        """Take all that one part of the agent has to refuse now; none = nothing any more."""
        with self._changed:
            told = {**self._facts.told, source: tuple(refusals)}
            self._take(told={key: some for key, some in told.items() if some})

    def runtime_told(self, told: Told) -> None:
        """Take what the runtime says of itself when it connects; it may be another one by now."""
        with self._changed:
            self._take(runtime=replace(self._facts.runtime, told=told))

    def runtime_synchronized(self) -> None:
        """From now on new containers are bound."""
        with self._changed:
            self._take(runtime=replace(self._facts.runtime, phase=Phase.SYNCHRONIZED))

    def runtime_lost(self) -> None:
        """From now on new containers are not bound; the grace begins.

        It may come back with another configuration.
        """
        with self._changed:
            lost = replace(self._facts.runtime, required_plugins=RequiredPlugins.UNKNOWN)
            if lost.phase is Phase.SYNCHRONIZED:
                lost = replace(lost, phase=Phase.LOST, lost_at_s=self._clock())
            self._take(runtime=lost)

    def runtime_validates(self, enforced: bool) -> None:  # noqa: FBT001 - of one word
        """Take whether the runtime refuses a container while a plugin that it requires is away."""
        with self._changed:
            seen = RequiredPlugins.ENFORCED if enforced else RequiredPlugins.NOT_ENFORCED
            self._take(runtime=replace(self._facts.runtime, required_plugins=seen))

    def rebuild(self, pods: Iterable[Pod], containers: Iterable[tuple[Pod, Container]]) -> Snapshot:
        """Take the runtime's full list in place of all that is known of pods and containers.

        But for what those that live on have claimed.
        """
        with self._changed:
            ledger = rebuilt(pods, containers, self._facts.ledger)
            self.counters.live({one.id for _, one in ledger.containers})
            facts = replace(self._facts, ledger=ledger, contested={})
            self._take_all(replace(facts, **self._settled(facts)))
            return self.snapshot()

    def admit(self, pod: Pod, container: Container, given: Assignment | None) -> Snapshot:
        """Let a new container's pod hold its CPU sets.

        Raises:
            BindingRefused: where another pod holds them, or where it should have some.
        """
        with self._changed:
            refuse_unserved(pod, container, given, self.snapshot().node)
            if given is not None:
                self._take(ledger=self._facts.ledger.claim(pod, container, given))
            return self.snapshot()

    def created(
        self, pod: Pod, container: Container, taken_back: Iterable[Correction] = ()
    ) -> None:
        """Take a container that is about to live, as it will be, and what others lost to it."""
        with self._changed:
            ledger = self._facts.ledger.created(pod, container)
            self._take(ledger=ledger.bound(_places(taken_back)))

    def applied(self, corrections: Iterable[Correction]) -> None:
        """Take what containers are bound to by now."""
        with self._changed:
            self._take(ledger=self._facts.ledger.bound(_places(corrections)))

    def stopped(self, uid: str, container_id: str) -> None:
        """Forget a container that has stopped."""
        with self._changed:
            self._release(self._facts.ledger.stopped(uid, container_id))

    def gone(self, pod: Pod) -> None:
        """Forget a pod whose sandbox has stopped; its CPUs rest before they are lent."""
        with self._changed:
            self._release(self._facts.ledger.gone(pod))

    def _release(self, ledger: Ledger) -> None:
        """Take a ledger in which somebody holds less; who waited for that claims it now."""
        freed = self._facts.ledger.held - ledger.held
        if not freed:
            self._take(ledger=ledger)
            return
        # In whole seconds: what a hundred pods give up at a time is one entry.
        until_s, resting = ceil(self._clock() + self._settings.rest_s), self._facts.resting
        facts = replace(
            self._facts,
            ledger=ledger,
            resting={**resting, until_s: resting.get(until_s, IdSet()) | freed},
            contested=_still_held(self._facts, ledger),
        )
        self._take_all(replace(facts, **self._settled(facts)))

    def _settled(self, facts: Facts) -> Mapping[str, Any]:
        """Let the live containers claim what they can claim by now."""
        found = settled(node_of(facts, self._settings), facts.listing)
        self.counters.unbound_starts(started_unbound(found.ledger))
        return {
            "ledger": found.ledger,
            "refused": found.refused,
            "undecided": found.undecided,
        }

    def _take(self, **changes: Any) -> None:
        self._take_all(replace(self._facts, **changes))

    def _take_all(self, facts: Facts) -> None:
        if facts != self._facts:
            self._facts = facts
            self.wake()


def _places(corrections: Iterable[Correction]) -> Iterator[tuple[str, str, IdSet, IdSet]]:
    for one in corrections:
        yield one.pod.uid, one.container.id, one.binding.cpus, one.binding.mems


def _still_held(facts: Facts, ledger: Ledger) -> Mapping[str, str]:
    """Leave out contested sets that are free by now, and those that are cut no more."""
    return {
        one.id: facts.contested[one.id]
        for one in facts.partition.sets
        if one.id in facts.contested and not one.present.isdisjoint(ledger.held)
    }
