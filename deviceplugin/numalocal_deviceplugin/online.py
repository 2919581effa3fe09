"""What is online of a container's CPU sets, and whether that is enough for it."""

from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.errors import BindingRefused
from numalocal_deviceplugin.pods import Container, Pod, where
from numalocal_deviceplugin.thisnode import Node


def online_of(
    pod: Pod, container: Container, assignment: Assignment, node: Node, *, new: bool
) -> Assignment:
    """Keep what is there; refuse where nothing is: silently the kernel would give the parent's.

    A `new` container needs every core of its sets.

    Raises:
        BindingRefused: with what is not there; the sentence is for the pod's events.
    """
    left = assignment.on(node.machine.online)
    missing = _missing(assignment, node) if new else IdSet()
    if missing or not left.cpus:
        raise _not_online(pod, container, missing or assignment.cpus, node)
    nodes = IdSet.of(numa.id for numa in node.machine.nodes)
    if not assignment.mems <= nodes:
        raise BindingRefused(
            f"{where(pod, container)}: NUMA node {assignment.mems - nodes} of its CPU sets is "
            f"not in this machine (nodes: {nodes}); delete the pod so that it gets other CPU sets"
        )
    return left


def _missing(assignment: Assignment, node: Node) -> IdSet:
    """Give the CPUs of cores that the sets need and lack; one of other pools needs all it had."""
    ours = node.partition.by_id
    return union(
        ours[one.id].missing if one.id in ours else one.cpus & _gone(one.cpus, node.machine)
        for one in assignment.sets
    )


def _gone(cpus: IdSet, machine: Machine) -> IdSet:
    """Give the CPUs of those cores of which none is online."""
    cores = machine.cores_of_cpus(cpus)
    return union(core.cpus for core in cores if core.cpus.isdisjoint(machine.online))


def _not_online(pod: Pod, container: Container, cpus: IdSet, node: Node) -> BindingRefused:
    online = node.machine.online
    why = f"is not online on this machine (online: {online})"
    if cpus <= online:
        why = "stays shared for one that is offline"
    return BindingRefused(
        f"{where(pod, container)}: CPU {cpus} of its CPU sets {why}; bring it online, or delete "
        "the pod so that it gets other CPU sets"
    )
