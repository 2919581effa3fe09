"""How ranks fit into the free CPU sets of one NUMA node: into few localities, which fill up."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import accumulate
from operator import itemgetter
from typing import Final, NamedTuple

from numalocal.machine.model import Machine, NumaNode, Package
from numalocal.sets.cpusets import CpuSet

_REST: Final = -1
"""Stands for the locality of all sets of a node that lie in none, or in several."""


class Room(NamedTuple):
    """What one node has for a replica.

    `package` is the one of the node's lowest CPU.  `held` ranks are there already and `free` sets
    can be added: `begun` are those in localities that have a rank already, `whole` those in each
    other locality, the locality with the lowest of these CPUs first.
    """

    node: int
    package: int | None
    held: int
    free: int
    begun: Sequence[CpuSet]
    whole: Sequence[Sequence[CpuSet]]


class Fit(NamedTuple):
    """What it costs to add ranks to one node; the lesser is the better.

    `begun` localities get their first rank, and `left` sets stay free in those that have one.
    """

    begun: int
    left: int


def rooms(sets: Collection[CpuSet], held: Collection[str], machine: Machine) -> tuple[Room, ...]:
    """Sort sets into their nodes, by node id; those whose ids are held have their rank already.

    Raises:
        KeyError: where a set's node is not in the machine.
    """
    nodes = {node.id: node for node in machine.nodes}
    free_on: dict[int, dict[int, list[CpuSet]]] = defaultdict(lambda: defaultdict(list))
    held_on: dict[int, list[int]] = defaultdict(list)
    for one, locality in _located(sets, machine):
        if one.id in held:
            held_on[one.numa_node].append(locality)
        else:
            free_on[one.numa_node][locality].append(one)
    return tuple(
        _room(nodes[node], machine.packages, held_on[node], free_on[node])
        for node in sorted(held_on.keys() | free_on.keys())
    )


def _located(sets: Iterable[CpuSet], machine: Machine) -> Iterator[tuple[CpuSet, int]]:
    """Yield the sets by lowest CPU, each with its locality."""
    localities, offline = machine.localities, machine.offline
    index_of = {cpu: index for index, near in enumerate(localities) for cpu in near}
    for lowest, one in sorted([(one.cpus.first, one) for one in sets], key=itemgetter(0)):
        cpus = one.cpus
        index = index_of.get(lowest, _REST)
        if offline and not cpus.isdisjoint(offline):  # what is offline shares no cache
            cpus -= offline
            index = index_of.get(min(cpus, default=lowest), _REST)
        yield one, index if index != _REST and cpus <= localities[index] else _REST


def _room(
    node: NumaNode,
    packages: Iterable[Package],
    held: Collection[int],
    free: dict[int, list[CpuSet]],
) -> Room:
    """Describe a node by the localities of its ranks and by the free sets of each locality."""
    lowest = node.cpus.first if node.cpus else None
    begun = [one for locality in set(held) for one in free.pop(locality, ())]
    whole = list(free.values())
    return Room(
        node=node.id,
        package=next((package.id for package in packages if lowest in package.cpus), None),
        held=len(held),
        free=len(begun) + sum(map(len, whole)),
        begun=begun,
        whole=whole,
    )


def fit(room: Room, ranks: int) -> Fit:
    """Tell what it costs at least to add so many ranks, at most as many as there are free sets."""
    wanted = ranks - len(room.begun)
    more = _fewest(room.whole, wanted)
    return Fit(begun=len(more), left=sum(map(len, more)) - wanted)


def take(room: Room, ranks: int) -> list[CpuSet]:
    """Choose the sets that cost what `fit` tells; of equal choices that of the lowest CPUs."""
    more = _fewest(room.whole, ranks - len(room.begun))
    near = [*room.begun, *(one for sets in more for one in sets)]
    return sorted(near, key=lambda one: one.cpus.first)[:ranks]


def _fewest(whole: Sequence[Sequence[CpuSet]], wanted: int) -> list[Sequence[CpuSet]]:
    """Choose the fewest localities that have the sets wanted, and of these the smallest together.

    Of equal choices the first.
    """
    if wanted <= 0:
        return []
    if roomy := [sets for sets in whole if len(sets) >= wanted]:
        return [min(roomy, key=len)]
    sizes = [len(sets) for sets in whole]
    largest = accumulate(sorted(sizes, reverse=True))
    count = next(n for n, together in enumerate(largest, 1) if together >= wanted)
    # sums[-1 - i][n] has bit s set where n localities from the i-th on have s sets together.  That
    # is quick for any number of localities: no sum is made twice, however many ways lead to it.
    sums = [[1] + [0] * count]
    for size in reversed(sizes):
        later = sums[-1]
        sums.append([1, *(no | yes << size for no, yes in zip(later[1:], later, strict=False))])
    enough = sums[-1][count] >> wanted
    total = wanted + (enough & -enough).bit_length() - 1
    chosen = []
    for sets, size, later in zip(whole, sizes, sums[-2::-1], strict=True):
        if count and size <= total and later[count - 1] >> (total - size) & 1:
            chosen.append(sets)
            count, total = count - 1, total - size
    return chosen
