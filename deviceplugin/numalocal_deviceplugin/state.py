"""What the agent's parts share: facts go in, and one frozen view of the node comes out."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import chain

from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment
from numalocal.sets.partition import Partition
from numalocal.sets.partition import partition as cut
from numalocal_deviceplugin import settling, standing
from numalocal_deviceplugin.binding import Idle, Node, refuse_unserved
from numalocal_deviceplugin.correcting import Correction
from numalocal_deviceplugin.errors import AgentError
from numalocal_deviceplugin.ledger import Ledger, rebuilt
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.refusals import (
    NOBODY_IS_ADJUSTED,
    NOTHING_IS_GIVEN,
    Refusal,
)
from numalocal_deviceplugin.settling import Listing
from numalocal_deviceplugin.standing import Policy

RUNTIME_GRACE_S = 30.0
"""How long sets stay available without the runtime: its restart takes seconds, not this."""
REST_S = 10.0
"""How long CPUs that were given up rest before they are lent: a worker that restarts, returns."""


class Phase(Enum):
    """Where the container runtime stands."""

    NEVER_SEEN = "never seen"
    SYNCHRONIZED = "synchronized"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The container runtime; `name` and `version` are what it says, empty before it did."""

    phase: Phase = Phase.NEVER_SEEN
    lost_at_s: float = 0.0
    name: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The node at one moment, as all parts of the agent see it.

    `refusals` are all that there are: of the node first, then of sets, then of containers.
    `contested` are ids of sets that a pod holds for which the kubelet does not list them.
    `undecided` are ids of containers that wait for the kubelet's word.  `version` is another one
    after every change.
    """

    node: Node
    idle: Idle
    policy: Policy
    listing: Listing | None
    contested: Mapping[str, str]
    undecided: frozenset[str]
    runtime: Runtime
    refusals: tuple[Refusal, ...]
    version: int

    @property
    def gives(self) -> bool:
        """Whether CPU sets can be given out now."""
        return not any(one.reason in NOTHING_IS_GIVEN for one in self.refusals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What does not change while the agent runs; times are in seconds."""

    idle: Idle = Idle.SHARED
    left_alone: frozenset[str] = frozenset()
    grace_s: float = RUNTIME_GRACE_S
    rest_s: float = REST_S
    clock: Callable[[], float] = field(default=time.monotonic)


class State:
    """Own what changes while the agent runs; every method may be called from any thread.

    The sets are cut anew when the machine changes: they become smaller or unavailable, but none is
    renamed.
    """

    def __init__(
        self, machine: Machine, partition: Partition, settings: Settings | None = None
    ) -> None:
        self._settings = settings or Settings()
        self._changed = threading.Condition(threading.RLock())
        self._machine = machine
        self._partition = partition
        self._ledger = Ledger()
        self._policy = Policy.UNKNOWN
        self._listing: Listing | None = None
        self._contested: Mapping[str, str] = {}
        self._refused: Mapping[str, AgentError] = {}
        self._undecided: frozenset[str] = frozenset()
        self._runtime = Runtime()
        self._told: dict[str, tuple[Refusal, ...]] = {}
        self._resting: tuple[tuple[float, IdSet], ...] = ()
        self._version = 0
        self._cached: tuple[object, Snapshot] | None = None

    def snapshot(self) -> Snapshot:
        """Give the node as it is now."""
        with self._changed:
            now_s = self._settings.clock()
            self._resting = tuple(one for one in self._resting if one[0] > now_s)
            binds = self._binds(now_s)
            key = self._version, len(self._resting), binds
            if self._cached is None or self._cached[0] != key:
                self._cached = key, self._snapshot(binds=binds)
            return self._cached[1]

    @property
    def version(self) -> int:
        """A number that is another one after every change."""
        with self._changed:
            return self._version

    def wait(self, version: int, timeout_s: float) -> None:
        """Wait until the version is another one than this, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != version, timeout_s)

    def wake(self) -> None:
        """Let everybody who waits look again."""
        with self._changed:
            self._bump()

    def set_machine(self, machine: Machine) -> None:
        """Take the machine as it is now, and cut it anew.

        Raises:
            PoolUnmet: where a pool gets nothing any more; nothing changes then.
        """
        with self._changed:
            if machine == self._machine:
                return
            self._partition = cut(machine, self._partition.pools)
            self._machine = machine
            self._bump()

    def set_policy(self, policy: Policy) -> None:
        """Take whether the kubelet's own CPU manager pins containers."""
        with self._changed:
            if policy != self._policy:
                self._policy = policy
                self._bump()

    def set_listing(self, listing: Listing, before: Ledger) -> None:
        """Take what the kubelet lists; `before` is the ledger from before it was asked."""
        with self._changed:
            held = self._contested, self._refused, self._undecided, self._ledger, self._listing
            self._listing = listing
            self._settle()
            self._contested = settling.contested(self._node(), listing, before)
            if held != (
                self._contested, self._refused, self._undecided, self._ledger, self._listing
            ):  # fmt: skip
                self._bump()

    def refuse(self, source: str, refusals: Iterable[Refusal] = ()) -> None:
        """Take all that one part of the agent has to refuse now; none = nothing any more."""
        with self._changed:
            told = tuple(refusals)
            if told != self._told.get(source, ()):
                self._told[source] = told
                self._bump()

    def runtime_synchronized(self, name: str, version: str) -> None:
        """From now on new containers are bound."""
        with self._changed:
            self._runtime = Runtime(phase=Phase.SYNCHRONIZED, name=name, version=version)
            self._bump()

    def runtime_lost(self) -> None:
        """From now on new containers are not bound; the grace begins."""
        with self._changed:
            if self._runtime.phase is Phase.SYNCHRONIZED:
                lost_at_s = self._settings.clock()
                self._runtime = replace(self._runtime, phase=Phase.LOST, lost_at_s=lost_at_s)
            self._bump()

    def rebuild(self, pods: Iterable[Pod], containers: Iterable[tuple[Pod, Container]]) -> Snapshot:
        """Take the runtime's full list in place of all that is known of pods and containers."""
        with self._changed:
            self._ledger = rebuilt(pods, containers)
            self._contested = {}
            self._settle()
            self._bump()
            return self.snapshot()

    def admit(self, pod: Pod, container: Container, given: Assignment | None) -> Snapshot:
        """Let a new container's pod hold its CPU sets.

        Raises:
            BindingRefused: where another pod holds them, or where it should have some.
        """
        with self._changed:
            refuse_unserved(pod, container, given, self.snapshot().node)
            if given is not None:
                self._ledger = self._ledger.claim(pod, container, given)
                self._bump()
            return self.snapshot()

    def created(self, pod: Pod, container: Container) -> None:
        """Take a container that is about to live, as it will be."""
        with self._changed:
            self._ledger = self._ledger.created(pod, container)
            self._bump()

    def applied(self, corrections: Iterable[Correction]) -> None:
        """Take what containers are bound to by now."""
        with self._changed:
            for one in corrections:
                now = replace(one.container, cpus=one.binding.cpus)
                if one.binding.mems:
                    now = replace(now, mems=one.binding.mems)
                tenant = self._ledger.tenants.get(one.pod.uid)
                if tenant is not None and now.id in tenant.containers:
                    self._ledger = self._ledger.created(one.pod, now)
            self._bump()

    def stopped(self, uid: str, container_id: str) -> None:
        """Forget a container that has stopped."""
        with self._changed:
            self._ledger = self._ledger.stopped(uid, container_id)
            self._bump()

    def gone(self, pod: Pod) -> None:
        """Forget a pod whose sandbox has stopped; its CPUs rest before they are lent."""
        with self._changed:
            before = self._ledger.held
            self._ledger = self._ledger.gone(pod)
            if freed := before - self._ledger.held:
                until_s = self._settings.clock() + self._settings.rest_s
                self._resting = (*self._resting, (until_s, freed))
                self._contested = {
                    key: why for key, why in self._contested.items() if not self._is_free(key)
                }
                self._settle()
            self._bump()

    def _is_free(self, device: str) -> bool:
        held = self._ledger.held
        return all(one.present.isdisjoint(held) for one in self._partition.sets if one.id == device)

    def _settle(self) -> None:
        found = settling.settled(self._node(), self._listing)
        self._ledger, self._refused = found.ledger, found.refused
        self._undecided = found.undecided

    def _snapshot(self, *, binds: bool) -> Snapshot:
        node = self._node()
        of_node = [
            *standing.of_node(self._policy, binds=binds),
            *chain.from_iterable(self._told.values()),
        ]
        barred = next((one for one in of_node if one.reason in NOBODY_IS_ADJUSTED), None)
        return Snapshot(
            node=replace(node, barred=barred),
            idle=self._settings.idle,
            policy=self._policy,
            listing=self._listing,
            contested=self._contested,
            undecided=self._undecided,
            runtime=self._runtime,
            refusals=tuple(standing.refusals(of_node, node, self._contested, self._refused)),
            version=self._version,
        )

    def _node(self) -> Node:
        lent = IdSet()
        if self._settings.idle is Idle.SHARED:
            lent = union(one.present for one in self._partition.sets)
            lent -= union(cpus for _, cpus in self._resting)
        return Node(
            machine=self._machine,
            partition=self._partition,
            ledger=self._ledger,
            lent=lent & self._machine.online - self._ledger.held,
            left_alone=self._settings.left_alone,
        )

    def _binds(self, now_s: float) -> bool:
        """Tell whether a new container would be bound."""
        lost = self._runtime.phase is Phase.LOST
        within_grace = now_s - self._runtime.lost_at_s < self._settings.grace_s
        return self._runtime.phase is Phase.SYNCHRONIZED or (lost and within_grace)

    def _bump(self) -> None:
        self._version += 1
        self._changed.notify_all()
