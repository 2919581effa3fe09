"""Device ids -> the assignment, and whose word an assignment is.

Only Allocate writes the annotation that carries an assignment, and only the kubelet hands it on.  A
pod's own annotations are anybody's: some runtimes copy them into its containers, so a pod that has
the key itself is refused.  Another front end than the device plugin would have its own
`assignment_of` and share everything behind it.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from numalocal import names
from numalocal.errors import AssignmentInvalid
from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.problems import printable, shown
from numalocal.sets.assignment import Assignment
from numalocal.sets.cpusets import CpuSet
from numalocal_deviceplugin.errors import BindingRefused, UnknownDevice
from numalocal_deviceplugin.pods import Container, Pod, born_on, where

DevicesOf = Callable[[str, str], Iterable[str]]
"""Look up the device ids of a pod by its namespace and name; AgentError where that fails."""

_ID: Final = re.compile(r"(.{1,63})-n(\d{1,4})-c(\d{1,4})x(\d{1,4})", re.ASCII)
"""A set's id, as `device_id` writes it."""
_KEYS_SHOWN: Final = 3
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
    for told_ in sorted(map(_ID.fullmatch, ids), key=_place):
        if told_ is None:
            return ()
        node, first, count = map(int, told_.groups()[1:])
        cpus = _first_cores(machine, left, node, first, count)
        if not cpus or len(cpus) != count or cpus.first != first:
            return ()
        left -= cpus
        mems = container.mems or IdSet.of([node])
        found.append(CpuSet(told_.string, told_[1], cpus, cpus, node, mems, memory_bytes=0))
    return () if left & container.cpus else tuple(found)


def sets_born(sets: Iterable[CpuSet], container: Container) -> tuple[CpuSet, ...]:
    """Leave a container of its sets what it was told at its creation: other CPUs may be online."""
    born = born_on(container)
    return tuple(one._replace(cpus=one.present & born or one.cpus) for one in sets)


def _place(told_: re.Match[str] | None) -> tuple[int, int]:
    return (-1, -1) if told_ is None else (int(told_[2]), int(told_[3]))


def _first_cores(machine: Machine, among: IdSet, node: int, first: int, count: int) -> IdSet:
    """Take whole cores of a node in order, from one CPU on, until there are so many CPUs."""
    cores = (one.cpus for one in machine.cores if node in one.numa_nodes and one.cpus <= among)
    cpus = IdSet()
    for core in sorted((one for one in cores if one.first >= first), key=lambda one: one.first):
        if len(cpus) < count:
            cpus |= core
    return cpus


def told(pod: Pod, container: Container) -> Assignment | None:
    """Read the assignment that a container was created with; None where it has none.

    Raises:
        BindingRefused: where the pod wrote it itself, where it is damaged, or where it is of more
            than one pool: a container gets the sets of one.
    """
    forged = sorted(key for key in pod.annotations if key.startswith(names.ASSIGNMENT_PREFIX))
    if forged:
        raise BindingRefused(
            f"{where(pod, container)}: the pod has the annotation {shown(forged[0])}, which only "
            "the node's agent may write; remove it from the pod"
        )
    keys = sorted(key for key in container.annotations if key.startswith(names.ASSIGNMENT_PREFIX))
    if not keys:
        return None
    pools = [key.removeprefix(names.ASSIGNMENT_PREFIX) for key in keys]
    if len(keys) > 1:
        raise BindingRefused(
            f"{where(pod, container)}: it has CPU sets of {len(pools)} pools "
            f"({shown(', '.join(pools[:_KEYS_SHOWN]))}), and a container can have those of one; "
            "request one pool's resource in each container"
        )
    return _parsed(pod, container, container.annotations[keys[0]], pools[0])


def _parsed(pod: Pod, container: Container, text: str, pool: str) -> Assignment:
    try:
        assignment = Assignment.parse(text)
    except AssignmentInvalid as error:
        key = printable(names.assignment(pool))
        raise BindingRefused(f"{where(pod, container)}: annotation {key}: {error}") from error
    others = sorted({one.pool for one in assignment.sets if one.pool != pool})
    if others:
        raise BindingRefused(
            f"{where(pod, container)}: the annotation of pool {shown(pool)} holds CPU sets of "
            f"{shown(', '.join(others))}; delete the pod so that it gets new ones"
        )
    return assignment


def vouched(
    pod: Pod,
    container: Container,
    assignment: Assignment,
    ours: Mapping[str, CpuSet],
    of: DevicesOf,
) -> Assignment:
    """Give the assignment back if every set of it is the node's, or the kubelet's for this pod.

    `ours` are the node's by their ids.  Sets of other pools than today's are known to the kubelet
    alone.

    Raises:
        BindingRefused: naming the sets that nobody vouches for.
        AgentError: where the kubelet has to be asked and does not tell.
    """
    strange = [one for one in assignment.sets if not _same(one, ours.get(one.id))]
    if not strange:
        return assignment
    listed = frozenset(of(pod.namespace, pod.name))
    unknown = [one.id for one in strange if one.id not in listed]
    if unknown:
        raise BindingRefused(
            f"{where(pod, container)}: CPU set {printable(', '.join(unknown))} is none of this "
            "node's, nor does the kubelet list it for the pod; delete the pod so that it gets "
            "another"
        )
    return assignment


def _same(told_: CpuSet, ours: CpuSet | None) -> bool:
    """Compare what does not change with the CPUs online, huge pages or the kernel."""
    return (
        ours is not None
        and told_.cpus <= ours.present
        and told_.numa_node == ours.numa_node
        and bool(told_.cpus)
    )
