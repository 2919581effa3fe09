"""Which of a node's cores go together into one CPU set."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from numalocal.idset import IdSet
from numalocal.machine.model import KINDS, Core, Kind, Machine, NumaNode
from numalocal.sets.pools import Pool

Run = Sequence[Core]
"""Cores of one set, or what is left to cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Free cores of one node that are alike and near each other, by lowest CPU.

    They are of one kind and in one locality, or in none where that is None.
    """

    kind: Kind
    locality: int | None
    cores: Run


def free_groups(machine: Machine, node: NumaNode, reserve: int) -> list[Group]:
    """Group the cores of a node that sets can have: the fastest kind first, then by lowest CPU.

    `reserve` of them stay shared: the lowest, from as few localities as can be, so that the
    kernel's CPU 0 stays shared and other L3 caches stay whole.  A node without memory has nothing
    to offer: a process bound to it could not allocate a page.
    """
    if node.memory_bytes == 0:
        return []
    cores = machine.cores_of(node.id)
    grouped: dict[tuple[Kind, int | None], list[Core]] = defaultdict(list)
    for core, place in zip(cores, _places(machine, cores), strict=True):
        grouped[core.kind or KINDS[0], place].append(core)
    groups = []
    for (kind, locality), members in grouped.items():  # by lowest CPU, as the cores are
        kept = members[reserve:]
        reserve -= len(members) - len(kept)
        groups.append(Group(kind=kind, locality=locality, cores=kept))
    return sorted(groups, key=lambda group: KINDS.index(group.kind))


def _places(machine: Machine, cores: Sequence[Core]) -> list[int | None]:
    """Give each core's locality, by its place in the machine's list.

    A core that is offline as a whole is on no list.  It goes to the neighbour's that has fewer
    cores: caches of one node are alike.
    """
    place_of = {cpu: place for place, near in enumerate(machine.localities) for cpu in near}
    places = [next((place_of[cpu] for cpu in core.cpus if cpu in place_of), None) for core in cores]
    for index, core in enumerate(cores):
        if places[index] is None and core.cpus.isdisjoint(machine.online):
            before = next((place for place in reversed(places[:index]) if place is not None), None)
            after = next((place for place in places[index + 1 :] if place is not None), before)
            known = [place for place in (before, after) if place is not None]
            places[index] = min(known, key=places.count, default=None)
    return places


def without(groups: Iterable[Group], taken: Iterable[IdSet]) -> list[Group]:
    """Take cores, named by their CPUs, out of the groups."""
    gone = set(taken)
    return [
        Group(
            kind=group.kind,
            locality=group.locality,
            cores=[core for core in group.cores if core.cpus not in gone],
        )
        for group in groups
    ]


def runs(pool: Pool, groups: Iterable[Group]) -> Iterator[Run]:
    """Cut a node's free cores into the runs that make a pool's sets."""
    usable = [group for group in groups if group.cores and pool.core_kind in (None, group.kind)]
    match pool.size:
        case "numa":
            if usable:
                yield [core for group in usable for core in group.cores]
        case "l3":
            yield from (group.cores for group in usable if group.locality is not None)
        case size:
            for kind in KINDS:
                yield from _cut([group.cores for group in usable if group.kind == kind], size)


def _cut(wholes: Iterable[Run], size: int) -> Iterator[Run]:
    """Cut runs of near cores into as many of one size as there can be, each within one if it fits.

    What is left over is joined, the longest first, so that a set touches few localities.
    """
    left: list[Run] = []
    for run in wholes:
        whole = len(run) - len(run) % size
        yield from (run[start : start + size] for start in range(0, whole, size))
        left.append(run[whole:])
    rest = [core for run in sorted(left, key=len, reverse=True) for core in run]
    yield from (rest[start : start + size] for start in range(0, len(rest) - size + 1, size))
