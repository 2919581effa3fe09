"""Which NUMA nodes stand together in a picture, those of one package, and what each shows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine, NumaNode
from numalocal.pictures.cells import CellGroup, Cells
from numalocal.sets.cpusets import CpuSet
from numalocal.sets.partition import Partition

Guests = Mapping[int, Sequence[str]]
"""By node who has memory on it beside those of its sets, or by a policy; a line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """What is shown of one node: its cores and sets, and which nodes are near if it has no CPUs.

    `id` is None for the cores that firmware puts into no node.  `of_device` tells that its memory
    is a device's, as a GPU's, and nobody else's.  `guests` say who else has memory
    here, or by a policy, a line each.
    """

    id: int | None
    cpus: IdSet
    memory_bytes: int | None
    huge_page_bytes: int
    near: IdSet
    groups: Sequence[CellGroup]
    sets: Sequence[CpuSet]
    of_device: bool = False
    guests: Sequence[str] = ()

    @property
    def name(self) -> str:
        """What it is called beside its cores."""
        return "no node" if self.id is None else f"node {self.id}"

    @property
    def without_cpus(self) -> str:
        """Why it has no CPUs online; empty where it has some."""
        if self.cpus:
            return ""
        if self.groups:
            return "no CPUs online"
        return "a device's memory" if self.of_device else "no CPUs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Nodes of the same package or packages; the title is empty where none is known."""

    title: str
    nodes: Sequence[NodeView]


def sections(
    machine: Machine, partition: Partition | None, used_by: Mapping[str, str], guests: Guests
) -> tuple[Section, ...]:
    """Group the nodes by package, in the order of the nodes; one without CPUs goes to the nearest.

    A package without an id is told by its index in the machine's list.
    """
    cells = Cells(machine, partition, used_by)
    found: dict[tuple[int, ...], list[NodeView]] = defaultdict(list)
    for node in machine.nodes:
        near = IdSet() if node.cpus else _nearest(node, machine)
        cpus = machine.node(near.first).cpus if near else node.cpus
        touched = (index for index, package in enumerate(machine.packages) if package.cpus & cpus)
        sets = [one for one in partition.sets if one.numa_node == node.id] if partition else []
        groups = cells.of_node(node.id)
        view = _view(node, IdSet() if groups else near, groups, sets)
        found[tuple(touched)].append(replace(view, guests=guests.get(node.id, ())))
    parts = [
        Section(title=_title(machine, indices), nodes=nodes) for indices, nodes in found.items()
    ]
    if astray := cells.of_node(None):
        parts.append(Section(title="in no NUMA node", nodes=[_astray(machine, astray)]))
    return tuple(parts)


def _view(
    node: NumaNode, near: IdSet, groups: Sequence[CellGroup], sets: Sequence[CpuSet]
) -> NodeView:
    return NodeView(
        id=node.id,
        cpus=node.cpus,
        memory_bytes=node.memory_bytes,
        huge_page_bytes=node.huge_page_bytes,
        near=near,
        groups=groups,
        sets=sets,
        of_device=node.device_memory,
    )


def _astray(machine: Machine, groups: Sequence[CellGroup]) -> NodeView:
    cpus = union(cell.core.cpus for group in groups for cell in group.cells) & machine.online
    return NodeView(
        id=None,
        cpus=cpus,
        memory_bytes=None,
        huge_page_bytes=0,
        near=IdSet(),
        groups=groups,
        sets=[],
    )


def _nearest(node: NumaNode, machine: Machine) -> IdSet:
    """Find the nodes with CPUs that are nearest to one without; none where no distance tells."""
    far = {one.id: one.distances[node.id] for one in machine.nodes if _reaches(one, node)}
    least = min(far.values(), default=0)
    return IdSet.of(one for one, distance in far.items() if distance == least)


def _reaches(one: NumaNode, node: NumaNode) -> bool:
    return bool(one.cpus) and node.id in one.distances


def _title(machine: Machine, indices: Sequence[int]) -> str:
    if not indices:
        return ""
    numbers = [machine.packages[index].id for index in indices]
    known = [
        index if number is None else number for index, number in zip(indices, numbers, strict=True)
    ]
    return f"package {known[0]}" if len(known) == 1 else f"packages {IdSet.of(known)}"
