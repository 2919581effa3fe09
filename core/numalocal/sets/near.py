"""Which NUMA nodes are near a CPU set: those that a word of `memory.nodes` means."""

from collections.abc import Collection
from enum import StrEnum
from itertools import groupby

from numalocal.errors import MemoryUnreachable
from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine, NumaNode
from numalocal.sets.cpusets import CpuSet


class MemoryNodes(StrEnum):
    """The NUMA nodes that a rank takes memory from.

    LOCAL are those where its CPU set has memory.  NEAR are these and the memory-only nodes near it
    (CXL, HBM), MEMORY_ONLY those alone.  PACKAGE are all of its package and the memory-only ones
    near that, ANY all of the machine.  Each but MEMORY_ONLY holds the ones before it.
    """

    LOCAL = "Local"
    NEAR = "Near"
    MEMORY_ONLY = "MemoryOnly"
    PACKAGE = "Package"
    ANY = "Any"


def named(one: CpuSet, machine: Machine, nodes: MemoryNodes) -> IdSet:
    """Give the nodes that a word means for a set; empty where it means none.

    Raises:
        MemoryUnreachable: where the machine does not have the set's own node.
    """
    match nodes:
        case MemoryNodes.LOCAL:
            return one.memory_nodes
        case MemoryNodes.NEAR:
            return one.memory_nodes | _memory_only_near(_home(one, machine), machine)
        case MemoryNodes.MEMORY_ONLY:
            return _memory_only_near(_home(one, machine), machine)
        case MemoryNodes.PACKAGE:
            of_package = _of_package(_home(one, machine), machine)
            tier = _memory_only_near(of_package, machine)
            return one.memory_nodes | (of_package & lenders(machine)) | tier
        case MemoryNodes.ANY:
            return one.memory_nodes | lenders(machine)


def lenders(machine: Machine) -> IdSet:
    """Give the nodes whose memory any set may take, as far as this process may."""
    found = IdSet.of(node.id for node in machine.nodes if node.lends_memory)
    return found & machine.allowed_nodes


def of_devices(machine: Machine) -> str:
    """Say in brackets which nodes have memory that is a device's; empty where none has."""
    found = IdSet.of(node.id for node in machine.nodes if node.device_memory)
    return f" (memory of node {found} is a device's)" if found else ""


def farther(one: CpuSet, machine: Machine, nodes: IdSet) -> IdSet:
    """Add to a set's nodes the nearest that lend memory, all that are as near; none may be left.

    Raises:
        MemoryUnreachable: where the machine does not have the set's own node.
    """
    (home,) = _home(one, machine)
    left = sorted(lenders(machine) - nodes, key=machine.node(home).distance)
    rings = groupby(left, key=machine.node(home).distance)
    return nodes | IdSet.of(next(rings, (0, ()))[1])


def _home(one: CpuSet, machine: Machine) -> IdSet:
    if any(node.id == one.numa_node for node in machine.nodes):
        return IdSet.of([one.numa_node])
    raise MemoryUnreachable(
        f"CPU set {one.id} is on NUMA node {one.numa_node}, which this machine does not have"
    )


def _of_package(home: IdSet, machine: Machine) -> IdSet:
    """Give the nodes of the package that a node is of; the node itself where none is known."""
    packages = {package for package, nodes in machine.places if not nodes.isdisjoint(home)}
    known = packages - {None}
    return home | union(nodes for package, nodes in machine.places if package in known)


def _memory_only_near(nodes: IdSet, machine: Machine) -> IdSet:
    """Give the memory-only nodes from which none is nearer than these with CPUs."""
    cpu_nodes = machine.cpu_nodes
    with_cpus = [node for node in machine.nodes if node.id in cpu_nodes]
    memory_only = lenders(machine) - cpu_nodes
    return IdSet.of(one for one in memory_only if not nodes.isdisjoint(_nearest(one, with_cpus)))


def _nearest(memory_only: int, with_cpus: Collection[NumaNode]) -> IdSet:
    """Give the nodes with CPUs from which the distance to a memory-only node is least."""
    least = min((node.distance(memory_only) for node in with_cpus), default=0)
    return IdSet.of(node.id for node in with_cpus if node.distance(memory_only) == least)
