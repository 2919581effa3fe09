"""Which NUMA nodes stand together in a picture: those of one package."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from numalocal.idset import IdSet
from numalocal.machine import Machine, NumaNode


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Nodes of the same package or packages; the title is empty where none is known."""

    title: str
    nodes: Sequence[NumaNode]


def sections(machine: Machine) -> tuple[Section, ...]:
    """Group the nodes by package, in the order of the nodes; one without CPUs goes to the nearest.

    A package without an id is told by its place in the machine's list.
    """
    found: dict[tuple[int, ...], list[NumaNode]] = defaultdict(list)
    for node in machine.nodes:
        beside = node if node.cpus else nearest(node, machine)
        cpus = beside.cpus if beside else IdSet()
        touched = (place for place, package in enumerate(machine.packages) if package.cpus & cpus)
        found[tuple(touched)].append(node)
    return tuple(
        Section(title=_title(machine, places), nodes=nodes) for places, nodes in found.items()
    )


def nearest(node: NumaNode, machine: Machine) -> NumaNode | None:
    """Find the node with CPUs that is nearest to one without; None where no distance tells."""
    candidates = [one for one in machine.nodes if one.cpus and one.id in node.distances]
    return min(candidates, key=lambda one: (node.distances[one.id], one.id), default=None)


def _title(machine: Machine, places: Sequence[int]) -> str:
    if not places:
        return ""
    numbers = [machine.packages[place].id for place in places]
    known = [
        place if number is None else number for place, number in zip(places, numbers, strict=True)
    ]
    return f"package {known[0]}" if len(known) == 1 else f"packages {IdSet.of(known)}"
