"""The agent's only shared state: whether CPU sets can be given out now, and why not."""

import threading
import time
from collections.abc import Callable, Iterable
from enum import Enum

from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.cpusets import CpuSet
from numalocal.sets.partition import Partition
from numalocal.sets.partition import partition as cut
from numalocal_deviceplugin.binding import Node
from numalocal_deviceplugin.kubelet import offers as devices

RUNTIME_GRACE_S = 30.0
"""How long sets stay available without the runtime: its restart takes seconds, not this."""


class Runtime(Enum):
    """Where the container runtime stands."""

    NEVER_SEEN = "never seen"
    SYNCHRONIZED = "synchronized"
    LOST = "lost"


class Availability:
    """Own what changes while the agent runs; every method may be called from any thread.

    The machine is that of the agent's start, but for the CPUs that are online, and is cut anew when
    these change: sets become smaller or unavailable, but none is renamed.
    """

    def __init__(
        self,
        machine: Machine,
        partition: Partition,
        *,
        grace_s: float = RUNTIME_GRACE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._machine = machine
        self._partition = partition
        self._grace_s = grace_s
        self._clock = clock
        self._changed = threading.Condition()
        self._held = IdSet()
        self._runtime = Runtime.NEVER_SEEN
        self._lost_at_s = 0.0
        self._pinning_kubelet = False
        self._version = 0

    @property
    def machine(self) -> Machine:
        """The machine as it is now."""
        with self._changed:
            return self._machine

    @property
    def partition(self) -> Partition:
        """The sets as they are cut now."""
        with self._changed:
            return self._partition

    def node(self) -> Node:
        """Give the node as it is now."""
        with self._changed:
            return Node(
                machine=self._machine,
                partition=self._partition,
                held=self._held,
            )

    def devices(self, sets: Iterable[CpuSet]) -> tuple[devices.Device, ...]:
        """List the devices of some sets as they are now."""
        with self._changed:
            conditions = devices.Conditions(
                held=self._held,
                bindable=self._bindable(),
                pinning_kubelet=self._pinning_kubelet,
            )
        return devices.devices(sets, conditions)

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

    def set_online(self, online: IdSet) -> None:
        """Take the CPUs that run now, and cut the machine by them.

        Raises:
            PoolUnmet: where none of them is known, so that nothing can be cut; nothing changes.
        """
        with self._changed:
            machine = self._machine.with_online(online)
            if machine == self._machine:
                return
            self._partition = cut(machine, self._partition.pools)
            self._machine = machine
            self._bump()

    def set_held(self, held: IdSet) -> None:
        """Take the CPUs that containers of another configuration hold now."""
        with self._changed:
            self._held = held
            self._bump()

    def set_pinning_kubelet(self, *, pinning: bool) -> None:
        """Take whether the kubelet's own CPU manager pins containers."""
        with self._changed:
            self._pinning_kubelet = pinning
            self._bump()

    def runtime_synchronized(self) -> None:
        """From now on new containers are bound."""
        with self._changed:
            self._runtime = Runtime.SYNCHRONIZED
            self._bump()

    def runtime_lost(self) -> None:
        """From now on new containers are not bound; the grace begins."""
        with self._changed:
            if self._runtime is Runtime.SYNCHRONIZED:
                self._runtime = Runtime.LOST
                self._lost_at_s = self._clock()
            self._bump()

    def _bump(self) -> None:
        self._version += 1
        self._changed.notify_all()

    def _bindable(self) -> bool:
        match self._runtime:
            case Runtime.SYNCHRONIZED:
                return True
            case Runtime.LOST:
                return self._clock() - self._lost_at_s < self._grace_s
            case Runtime.NEVER_SEEN:
                return False
