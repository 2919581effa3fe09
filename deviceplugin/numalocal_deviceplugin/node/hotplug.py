"""The machine under a running agent: CPUs and memory that come and go, and a tree to bind with.

A few small files tell whether anything changed; only then is the machine read anew.
"""

import logging
import re
import threading
from pathlib import Path
from typing import Final, NamedTuple

from numalocal.errors import MachineUnreadable, PoolUnmet
from numalocal.idset import IdSet
from numalocal.machine.discovery import discover
from numalocal.machine.model import Machine
from numalocal.machine.sysfs import CPU, NODE, Sysfs
from numalocal.sets.partition import Partition, partition
from numalocal.sets.pools import Pool, default_pools
from numalocal_deviceplugin.node import cgroups
from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.state import State

log = logging.getLogger(__name__)

SOURCE: Final = "machine"

NO_MACHINE: Final = Machine(
    online=IdSet(), allowed=IdSet(), allowed_nodes=IdSet(), packages=(), cores=(), nodes=()
)
"""What there is while the kernel's files cannot be read: nothing to give, nothing to bind to."""

_AMOUNTS: Final = re.compile(r"(?:MemTotal|HugePages_Total|Hugetlb): *[0-9]+")

Traces = tuple[object, ...]
"""What the files say that tell of a change; empty = they could not be read."""


class Start(NamedTuple):
    """The machine as the agent finds it, how it is cut, and what cannot be served of it."""

    machine: Machine
    partition: Partition
    traces: Traces
    unread: tuple[Refusal, ...] = ()
    unmet: tuple[Refusal, ...] = ()


def start(sysfs: Sysfs, pools: tuple[Pool, ...] | None) -> Start:
    """Read and cut the whole machine: what confines the agent's own pod is no limit of the node's.

    `pools` empty = what suits the machine, None = none at all.  All pools wait for one that is not
    met: cores that others take meanwhile it would lack later.
    """
    try:
        seen = traces(sysfs)
        machine = discover(sysfs).unconfined()
    except MachineUnreadable as error:
        return Start(NO_MACHINE, Partition((), (), IdSet()), (), unread=(_unreadable(error),))
    wanted = () if pools is None else pools or default_pools(machine)
    try:
        return Start(machine, partition(machine, wanted), seen)
    except PoolUnmet as error:
        uncut = Partition(wanted, (), machine.allowed)
        return Start(machine, uncut, seen, unmet=(_unmet(error),))


def traces(sysfs: Sysfs) -> Traces:
    """Read the small files that change with CPUs and memory.

    Raises:
        MachineUnreadable: where one is there and cannot be read.
    """
    nodes = sysfs.numbered(NODE, "node")
    meminfos = ["proc/meminfo", *(f"{NODE}/node{node}/meminfo" for node in nodes)]
    return (
        sysfs.read(f"{CPU}/online"),
        sysfs.read(f"{CPU}/present"),
        nodes,
        *(tuple(_AMOUNTS.findall(sysfs.read(path) or "")) for path in meminfos),
    )


def joined(fullest: Machine, now: Machine) -> Machine:
    """Give the machine as it is now, with what was known of CPUs that have gone offline since.

    The kernel takes an offline CPU out of its node, package and caches: read from that alone, the
    sets would be cut otherwise.
    """
    same = (fullest.online | fullest.offline) == (now.online | now.offline)
    memory = {node.id: node for node in now.nodes}
    if now.online >= fullest.online or not same or {*memory} != {node.id for node in fullest.nodes}:
        return now
    nodes = tuple(
        node._replace(
            memory_bytes=memory[node.id].memory_bytes,
            huge_page_bytes=memory[node.id].huge_page_bytes,
            device_memory=memory[node.id].device_memory,
        )
        for node in fullest.nodes
    )
    return fullest.with_online(now.online)._replace(nodes=nodes)


class MachineWatch:
    """Look whether CPUs or memory came or went, and whether there are cgroups to bind with."""

    def __init__(self, sysfs: Sysfs, cgroup_root: Path, state: State, began: Start) -> None:
        self._sysfs = sysfs
        self._cgroup_root = cgroup_root
        self._state = state
        self._traces = began.traces
        self._unread, self._unmet = began.unread, began.unmet
        self._fullest = began.machine

    def look(self) -> None:
        """Take in what has changed; what cannot be read or cut is left as it was, and refused."""
        try:
            seen = traces(self._sysfs)
            if seen != self._traces:
                self._take(discover(self._sysfs).unconfined())
            self._traces, self._unread = seen, ()
        except MachineUnreadable as error:
            self._traces, self._unread = (), (_unreadable(error),)
        tree = cgroups.why_unusable(self._cgroup_root)
        refusals = [*self._unread, *self._unmet, *([tree] if tree else [])]
        self._state.refuse(SOURCE, refusals)

    def run(self, stop: threading.Event, interval_s: float) -> None:
        """Look at every interval, until told to stop."""
        while not stop.is_set():
            self.look()
            stop.wait(interval_s)

    def _take(self, found: Machine) -> None:
        machine = joined(self._fullest, found)
        self._fullest = machine if machine is found else self._fullest
        if machine == self._state.snapshot().node.machine:
            return
        try:
            self._state.set_machine(machine)
            self._unmet = ()
        except PoolUnmet as error:
            self._unmet = (_unmet(error),)
        log.info(
            "the machine changed",
            extra={
                "online": str(machine.online),
                "memory_bytes": {node.id: node.memory_bytes for node in machine.nodes},
            },
        )


def _unreadable(error: MachineUnreadable) -> Refusal:
    message = f"the machine cannot be read, and what was known of it counts: {error}"
    return Refusal(reason=Reason.MACHINE_UNREADABLE, message=message)


def _unmet(error: PoolUnmet) -> Refusal:
    message = f"{error}; no CPU set of any pool is given out on this node until all can be cut"
    return Refusal(reason=Reason.POOL_UNMET, message=message)
