"""The agent's only shared state: whether CPU sets can be given out now, and why not."""

import threading
import time
from collections.abc import Callable, Iterable
from enum import Enum

from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.cpusets import CpuSet
from numalocal.sets.partition import Partition
from numalocal_deviceplugin import devices
from numalocal_deviceplugin.binding import Node

RUNTIME_GRACE_S = 30.0
"""How long sets stay available without the runtime: its restart takes seconds, not this."""


class Runtime(Enum):
    """Where the container runtime stands."""

    NEVER_SEEN = "never seen"
    SYNCHRONIZED = "synchronized"
    LOST = "lost"


class Availability:
    """Own what changes while the agent runs; every method may be called from any thread.

    The machine and its partition are those of the agent's start: a CPU that goes offline makes its
    set unavailable, but renames nothing.
    """

    def __init__(
        self,
        machine: Machine,
        partition: Partition,
        *,
        grace_s: float = RUNTIME_GRACE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.machine = machine
        self.partition = partition
        self._grace_s = grace_s
        self._clock = clock
        self._changed = threading.Condition()
        self._online = machine.online
        self._held = IdSet()
        self._runtime = Runtime.NEVER_SEEN
        self._lost_at_s = 0.0
        self._pinning_kubelet = False
        self._version = 0

    def node(self) -> Node:
        """Give the node as it is now."""
        with self._changed:
            return Node(
                machine=self.machine,
                partition=self.partition,
                online=self._online,
                held=self._held,
            )

    def devices(self, sets: Iterable[CpuSet]) -> tuple[devices.Device, ...]:
        """List the devices of some sets as they are now."""
        with self._changed:
            conditions = devices.Conditions(
                online=self._online,
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
        """Take the CPUs that run now."""
        with self._changed:
            self._online = online
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
