"""Which CPU sets a container is to have, and whose word that is: an assignment, or none.

Only Allocate writes the annotation that carries an assignment, and only the kubelet hands it on.  A
pod's own annotations are anybody's: some runtimes copy them into its containers, so a pod that has
the key itself is refused.  Another front end than the device plugin would have its own
`assignment_of` and share everything behind it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from numalocal import names
from numalocal.errors import AssignmentInvalid
from numalocal.problems import printable, shown
from numalocal.sets.assignment import Assignment
from numalocal.sets.cpusets import CpuSet
from numalocal_deviceplugin.deviceids import sets_named, sets_seated
from numalocal_deviceplugin.errors import BindingRefused, UnknownDevice
from numalocal_deviceplugin.pods import Container, Pod, born_on, bound_containers, where
from numalocal_deviceplugin.thisnode import Node

DevicesOf = Callable[[str, str], Iterable[str]]
"""Look up the device ids of a pod by its namespace and name; AgentError where that fails."""

_KEYS_SHOWN: Final = 3


def assignment_of(
    pod: Pod, container: Container, node: Node, devices_of: DevicesOf
) -> Assignment | None:
    """Give the CPU sets that a container is to have; None for one that has none.

    Raises:
        AgentError: where what it is said to have cannot be believed or found out.
    """
    given = told(pod, container)
    if given is not None:
        return vouched(pod, container, given, node.partition.by_id, devices_of)
    if container.name in bound_containers(pod):
        return _pods_assignment(pod, container, node, devices_of)
    return None


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


def _pods_assignment(
    pod: Pod, container: Container, node: Node, devices_of: DevicesOf
) -> Assignment:
    """Give a container that requests nothing all the sets of its pod's other containers."""
    ids = tuple(dict.fromkeys(devices_of(pod.namespace, pod.name)))
    if not ids:
        raise BindingRefused(
            f"{where(pod, container)}: annotation {names.ANNOTATION_BOUND_CONTAINERS} names it, "
            f"but the pod has no CPU set; a container of the pod must request a pool's resource, "
            f"such as {names.resource('cpuset')}"
        )
    try:
        sets = sets_named(node.partition.sets, ids)
    except UnknownDevice:
        # The pools have changed since, and no container of the pod that was told lives.
        sets = sets_seated(node.machine, container, ids)
        if not sets:
            raise
    return Assignment.of(_sets_born(sets, container))


def _sets_born(sets: Iterable[CpuSet], container: Container) -> tuple[CpuSet, ...]:
    """Leave a container of its sets what it was told at its creation: other CPUs may be online."""
    born = born_on(container)
    return tuple(one._replace(cpus=one.present & born or one.cpus) for one in sets)
