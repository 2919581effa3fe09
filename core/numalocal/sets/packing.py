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

_Chain = tuple[()] | tuple[int, "_Chain"]
"""Indices, ascending: the first and the rest of them, so that many chains share their ends."""


class NodeState(NamedTuple):
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


class Cost(NamedTuple):
    """What it costs to add ranks to one node; the lesser is the better.

    `begun` localities get their first rank, and `left` sets stay free in those that have one.
    """

    begun: int
    left: int


def node_states(
    sets: Collection[CpuSet], held: Collection[str], machine: Machine
) -> tuple[NodeState, ...]:
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
        _node_state(nodes[node], machine.packages, held_on[node], free_on[node])
        for node in sorted(held_on.keys() | free_on.keys())
    )


def _located(sets: Iterable[CpuSet], machine: Machine) -> Iterator[tuple[CpuSet, int]]:
    """Yield the sets by lowest CPU, each with its locality."""
    localities = machine.localities
    index_of = {cpu: index for index, near in enumerate(localities) for cpu in near}
    for lowest, one in sorted([(_lowest(one), one) for one in sets], key=itemgetter(0)):
        cpus = one.cpus
        index = index_of.get(lowest if lowest in cpus else min(cpus, default=lowest), _REST)
        yield one, index if index != _REST and cpus <= localities[index] else _REST


def _lowest(one: CpuSet) -> int:
    return one.present.first


def _node_state(
    node: NumaNode,
    packages: Iterable[Package],
    held: Collection[int],
    free: dict[int, list[CpuSet]],
) -> NodeState:
    """Describe a node by the localities of its ranks and by the free sets of each locality."""
    lowest = node.cpus.first if node.cpus else None
    begun = [one for locality in set(held) for one in free.pop(locality, ())]
    whole = list(free.values())
    return NodeState(
        node=node.id,
        package=next((package.id for package in packages if lowest in package.cpus), None),
        held=len(held),
        free=len(begun) + sum(map(len, whole)),
        begun=begun,
        whole=whole,
    )


def cost(state: NodeState, ranks: int) -> Cost:
    """Tell what it costs at least to add so many ranks, at most as many as there are free sets."""
    wanted = ranks - len(state.begun)
    more = _fewest(state.whole, wanted)
    return Cost(begun=len(more), left=sum(map(len, more)) - wanted)


def take(state: NodeState, ranks: int) -> list[CpuSet]:
    """Choose the sets that cost what `cost` tells; of equal choices that of the lowest CPUs."""
    more = _fewest(state.whole, ranks - len(state.begun))
    near = [*state.begun, *(one for sets in more for one in sets)]
    return sorted(near, key=_lowest)[:ranks]


def _fewest(whole: Sequence[Sequence[CpuSet]], wanted: int) -> list[Sequence[CpuSet]]:
    """Choose the fewest localities that have the sets wanted, and of these the smallest together.

    Of equal choices the first.
    """
    if wanted <= 0:
        return []
    sizes = [len(sets) for sets in whole]
    count = next(n for n, together in enumerate(_most(sizes)) if together >= wanted)
    # For each number of localities and of sets that they have together, the first such choice.
    # From the last locality on, so that what begins with the one at hand is always before the rest.
    # What cannot have enough with the largest of those before it is left out.
    choices: dict[tuple[int, int], _Chain] = {(0, 0): ()}
    for index in reversed(range(len(sizes))):
        most = _most(sizes[:index])
        for (number, together), later in list(choices.items()):
            larger, more = together + sizes[index], count - number - 1
            if 0 <= more <= index and larger + most[more] >= wanted:
                choices[number + 1, larger] = (index, later)
    smallest = min(together for number, together in choices if number == count)
    return [whole[index] for index in _indices(choices[count, smallest])]


def _most(sizes: Sequence[int]) -> list[int]:
    """Tell how many sets so many localities have at most: none, one, two and so on."""
    return [0, *accumulate(sorted(sizes, reverse=True))]


def _indices(chain: _Chain) -> Iterator[int]:
    while chain:
        index, chain = chain
        yield index
