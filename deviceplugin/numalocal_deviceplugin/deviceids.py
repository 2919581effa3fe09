"""Device ids -> the CPU sets that they name: those of this node, or of pools that it had before."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.problems import printable
from numalocal.sets.cpusets import CpuSet
from numalocal_deviceplugin.errors import UnknownDevice
from numalocal_deviceplugin.pods import Container

_ID: Final = re.compile(r"(.{1,63})-n(\d{1,4})-c(\d{1,4})x(\d{1,4})", re.ASCII)
"""A set's id, as `device_id` writes it."""
_SETS_SHOWN: Final = 400
"""Characters of the ids of a node's sets, of which there may be hundreds."""


def sets_named(sets: Sequence[CpuSet], ids: Iterable[str]) -> tuple[CpuSet, ...]:
    """Find sets by their ids, in the order of the ids.

    Raises:
        UnknownDevice: naming every id that is none of the sets'.
    """
    by_id = {one.id: one for one in sets}
    wanted = tuple(ids)
    unknown = sorted({device for device in wanted if device not in by_id})
    if unknown:
        raise UnknownDevice(
            f"device {printable(', '.join(unknown))} is not a CPU set of this node "
            f"(it has {printable(', '.join(by_id), _SETS_SHOWN) or 'none'}); if the pools were "
            "changed, delete the pod so that it gets a set of the new ones"
        )
    return tuple(by_id[device] for device in wanted)


def sets_seated(machine: Machine, container: Container, ids: Iterable[str]) -> tuple[CpuSet, ...]:
    """Find sets of other pools than today's by where a container of their pod sits; () = not there.

    The kubelet's ids say each set's node, lowest CPU and number of CPUs, and the runtime says which
    CPUs the container has: only where both fit to the last CPU it is believed that these are they.
    Those that are offline fit, as who is bound anew meanwhile is left what is online; one without
    CPUs of its own sits nowhere.
    """
    found: list[CpuSet] = []
    left = container.cpus and container.cpus | machine.offline
    for told in sorted(map(_ID.fullmatch, ids), key=_place):
        if told is None:
            return ()
        node, first, count = map(int, told.groups()[1:])
        cpus = _first_cores(machine, left, node, first, count)
        if not cpus or len(cpus) != count or cpus.first != first:
            return ()
        left -= cpus
        mems = container.mems or IdSet.of([node])
        found.append(CpuSet(told.string, told[1], cpus, cpus, node, mems, memory_bytes=0))
    return () if left & container.cpus else tuple(found)


def _place(told: re.Match[str] | None) -> tuple[int, int]:
    return (-1, -1) if told is None else (int(told[2]), int(told[3]))


def _first_cores(machine: Machine, among: IdSet, node: int, first: int, count: int) -> IdSet:
    """Take whole cores of a node in order, from one CPU on, until there are so many CPUs."""
    cores = (one.cpus for one in machine.cores if node in one.numa_nodes and one.cpus <= among)
    cpus = IdSet()
    for core in sorted((one for one in cores if one.first >= first), key=lambda one: one.first):
        if len(cpus) < count:
            cpus |= core
    return cpus
