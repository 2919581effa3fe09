"""Which NUMA nodes a replica can use: all the choices, and the best of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from heapq import nlargest
from itertools import chain, combinations, product
from math import comb
from typing import Any, Final

from numalocal.machine.model import Machine
from numalocal.sets.packing import NodeState

MOST_LOOKS: Final = 512
"""Nodes looked at, over all ways to choose them: what takes a fraction of a millisecond."""

Nodes = tuple[int, ...]
"""Ids of nodes, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The nodes where ranks can go.

    `states` are by node id, ascending.  `used` nodes have ranks already; `unused` ones have only
    free sets.  `distance` gives how far the second node is from the first, and `apart` that both
    ways.  `package_free` counts the free sets of each package.
    """

    states: Mapping[int, NodeState]
    used: Nodes
    unused: Nodes
    distance: Callable[[int, int], int]
    apart: Callable[[tuple[int, int]], int]
    package_free: Mapping[int | None, int]

    def free(self, nodes: Iterable[int]) -> int:
        """Count the free sets on these nodes."""
        return sum(self.states[node].free for node in nodes)

    def extent(self, more: Nodes) -> int:
        """Add up the distances that these nodes bring in, if they come into use together."""
        return sum(map(self.apart, chain(combinations(more, 2), product(more, self.used))))


def candidates(states: Iterable[NodeState], machine: Machine) -> Candidates:
    """Gather what the choice of nodes depends on."""
    by_id = {state.node: state for state in states}
    nodes = {node.id: node for node in machine.nodes}
    package_free: Counter[int | None] = Counter()
    for state in by_id.values():
        package_free[state.package] += state.free

    def distance(one: int, other: int) -> int:
        return nodes[one].distance(other)

    @cache
    def apart(pair: tuple[int, int]) -> int:
        return distance(*pair) + distance(*reversed(pair))

    return Candidates(
        states=by_id,
        used=tuple(node for node, state in by_id.items() if state.held),
        unused=tuple(node for node, state in by_id.items() if not state.held),
        distance=distance,
        apart=apart,
        package_free=package_free,
    )


def choices(nodes: Candidates, count: int, *, least: int) -> Iterable[Nodes]:
    """List the choices of `count` more nodes that have `least` free sets, the lowest ids first.

    Where these are too many to look at, there is one: see `_near`.
    """
    if comb(len(nodes.unused), count) * count > MOST_LOOKS:
        return [_near(nodes, count, least=least)]
    every = combinations(nodes.unused, count)
    return [choice for choice in every if nodes.free(choice) >= least]


def best(every: Iterable[Nodes], *costs: Callable[[Nodes], Any]) -> Nodes:
    """Take the choice that costs least, by the first cost that differs; else the first choice."""
    left = list(every)
    for cost in costs:
        if len(left) > 1:
            each = [cost(choice) for choice in left]
            least = min(each)
            left = [choice for choice, one in zip(left, each, strict=True) if one == least]
    return left[0]


def _near(nodes: Candidates, count: int, *, least: int) -> Nodes:
    """Choose `count` unused nodes that have `least` free sets, one by one near those before."""
    free = {node: nodes.states[node].free for node in nodes.unused}
    left = sorted(nodes.unused, key=lambda node: (free[node], node))  # of equals the first counts
    away = {node: sum(nodes.distance(one, node) for one in nodes.used) for node in left}
    chosen: list[int] = []
    for later in reversed(range(count)):  # how many are chosen after this one
        first = not (nodes.used or chosen)
        far = _from_neighbours(nodes, count) if first else away
        most = sum(nlargest(later, (free[node] for node in left)))
        enough = (node for node in left if free[node] + most >= least)
        chosen.append(min(enough, key=far.__getitem__))
        left.remove(chosen[-1])
        least -= free[chosen[-1]]
        away = {node: away[node] + nodes.distance(chosen[-1], node) for node in left}
    return tuple(sorted(chosen))


def _from_neighbours(nodes: Candidates, count: int) -> Mapping[int, int]:
    """Tell how far each unused node is from so many of its nearest, itself one of them."""
    return {
        node: sum(sorted(nodes.distance(node, other) for other in nodes.unused)[:count])
        for node in nodes.unused
    }
