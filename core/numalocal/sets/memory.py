"""Where the sets of each node take memory from, and how much of it a core brings."""

from collections.abc import Collection, Iterable, Mapping
from math import lcm
from typing import NamedTuple

from numalocal.idset import IdSet
from numalocal.machine.model import Machine, NumaNode


class Memory(NamedTuple):
    """How the memory of a machine is dealt out.

    `nodes_of` are the nodes that sets of a node take memory from, empty where none has any.
    `usable_bytes` is what each node has to give, and `cores_on` how many cores take of it, where
    a core that takes from several nodes counts in parts: there are `parts` to a core.
    """

    nodes_of: Mapping[int, IdSet]
    usable_bytes: Mapping[int, int]
    cores_on: Mapping[int, int]
    parts: int

    def share_bytes(self, node: int, cores: int) -> int:
        """Give the memory that so many cores of a node bring, rounded down on each node."""
        sources = self.nodes_of[node] if cores else ()
        return sum(
            self.usable_bytes[source] * cores * self.parts // len(sources) // self.cores_on[source]
            for source in sources
        )


def deal(machine: Machine, cut: Collection[int]) -> Memory:
    """Deal the memory of every node out in equal parts to all the cores that take from it.

    These are its own that have a CPU online, and those of the nodes without memory that are `cut`
    into sets and have it among the nearest.
    """
    nodes_of = {node.id: _sources(node, machine) for node in machine.nodes}
    parts = lcm(*(len(sources) for sources in nodes_of.values() if sources))
    cores_on = dict.fromkeys(nodes_of, 0)
    for node, sources in nodes_of.items():
        if node in cut or node in sources:
            cores = sum(not core.cpus.isdisjoint(machine.online) for core in machine.cores_of(node))
            for source in sources:
                cores_on[source] += cores * parts // len(sources)
    usable = {node.id: node.usable_memory_bytes for node in machine.nodes}
    return Memory(nodes_of, usable, cores_on, parts)


def _sources(node: NumaNode, machine: Machine) -> IdSet:
    """Give the node itself, where it has memory, else all the nearest of those that lend some.

    Lenders that this process may not use count only where there is no other.
    """
    if node.memory_bytes != 0 and not node.device_memory:
        return IdSet.of([node.id])
    lenders = [one.id for one in machine.nodes if one.suffices]
    allowed = [one for one in lenders if one in machine.allowed_nodes] or lenders
    return _nearest(node, allowed)


def _nearest(node: NumaNode, others: Iterable[int]) -> IdSet:
    distances = {other: node.distance(other) for other in others}
    least = min(distances.values(), default=0)
    return IdSet.of(other for other, distance in distances.items() if distance == least)
