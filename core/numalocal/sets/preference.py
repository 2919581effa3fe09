"""Choose the sets of a replica: which NUMA nodes, and which sets there.

A choice is better than another by the first of these that differs.  Sets that must be included are
ranks that are there already: neither placed nor free.

Spread:
 1. ranks lie evenly on many nodes: the least sum over nodes of (ranks there)^2;
 2. the nodes used are near: the least sum of distances, both ways, over all pairs of them;
 3. other replicas find whole nodes: the fewest free sets on the node of each rank placed, summed
    over these ranks; then the same with the free sets of the node's package;
 4. localities (L3 caches, or books on s390x) stay whole: the fewest that come newly into use on
    a node, summed over the nodes; then the fewest free sets left over in those in use.  The sets of
    a node that lie in none, or in several, count as one locality together;
 5. the lowest ids, each compared in ascending order: of the nodes used, of the ranks' nodes, of the
    ranks' lowest CPUs.  So the answer depends on no order of the input.

Pack:
 1. the fewest nodes are used;
 2. they are near, as above;
 3. the fewest free sets are left over on the nodes used, then on their packages;
 4. and 5. as above.  Ranks fill the nodes one after another, the one with the fewest free sets
    first and the lowest id among equals, so that what is left over is left on one.

The choice is the best there is, except where the nodes can be chosen in more ways than
`choices.MOST_LOOKS` allows.  There 1 holds, and the nodes are chosen one by one: each the nearest
to those before it, then the one with the fewest free sets, then the lowest.  The first, if there is
none before it, is the nearest to its own neighbours.  Within these nodes 4 and 5 hold.
"""

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from heapq import nsmallest
from itertools import accumulate

from numalocal.errors import SetsUnavailable
from numalocal.machine.model import Machine
from numalocal.sets.choices import Candidates, Nodes, best, candidates, choices
from numalocal.sets.cpusets import CpuSet, in_rank_order
from numalocal.sets.packing import cost, node_states, take
from numalocal.sets.pools import Preference


def prefer(
    available: Collection[CpuSet],
    *,
    must_include: Collection[CpuSet] = (),
    size: int,
    machine: Machine,
    placement: Preference = "Spread",
) -> tuple[CpuSet, ...]:
    """Pick `size` of the available sets, the best as told above; in rank order.

    `must_include` may be among the available or not; they are all in the answer, even if they are
    more than `size`.

    Raises:
        SetsUnavailable: where fewer than `size` sets are available.
        KeyError: where a set's node is not in the machine.
    """
    held = {one.id: one for one in must_include}
    sets = {one.id: one for one in available} | held
    if len(sets) < size:
        raise SetsUnavailable(f"{size} CPU sets are asked for, {len(sets)} are free")
    nodes = candidates(node_states(sets.values(), held.keys(), machine), machine)
    ranks = max(0, size - len(held))
    placed = _spread(nodes, ranks) if placement == "Spread" else _pack(nodes, ranks)
    taken = (one for node, count in placed.items() for one in take(nodes.states[node], count))
    return in_rank_order((*held.values(), *taken))


def _spread(nodes: Candidates, ranks: int) -> dict[int, int]:
    """Tell how many ranks to place on each node: level by level, one more on all at the lowest."""
    placed = dict.fromkeys(nodes.states, 0)
    level = 0
    while len(lowest := _lowest(nodes, placed, level)) < ranks:
        placed |= {node: placed[node] + 1 for node in lowest}
        ranks -= len(lowest)
        level += 1

    @cache
    def cost_of_one(node: int) -> tuple[int, ...]:
        state = nodes.states[node]
        before, after = cost(state, placed[node]), cost(state, placed[node] + 1)
        beside = (state.free, nodes.package_free[state.package])
        return (*beside, after.begun - before.begun, after.left - before.left)

    def total(choice: Nodes) -> tuple[int, ...]:
        return tuple(map(sum, zip(*map(cost_of_one, choice), strict=True)))

    if level:  # all of these are used already, so that each counts for itself
        last: Iterable[int] = nsmallest(ranks, lowest, key=cost_of_one)
    else:
        last = best(choices(nodes, ranks, least=ranks), nodes.extent, total)
    return placed | {node: placed[node] + 1 for node in last}


def _lowest(nodes: Candidates, placed: Mapping[int, int], level: int) -> list[int]:
    """List the nodes that have so many ranks, and a free set for one more."""
    return [
        node
        for node, state in nodes.states.items()
        if state.held + placed[node] == level and placed[node] < state.free
    ]


def _pack(nodes: Candidates, ranks: int) -> dict[int, int]:
    """Tell how many ranks to place on each node: few nodes, filled one after another."""
    least = ranks - nodes.free(nodes.used)
    largest = sorted((nodes.states[node].free for node in nodes.unused), reverse=True)
    count = next(n for n, free in enumerate(accumulate(largest, initial=0)) if free >= least)

    def package_left(more: Nodes) -> int:
        packages = {nodes.states[node].package for node in (*nodes.used, *more)}
        return sum(nodes.package_free[package] for package in packages)

    @cache
    def cost_on(node: int, ranks: int) -> tuple[int, ...]:
        return cost(nodes.states[node], ranks)

    def total(more: Nodes) -> tuple[int, ...]:
        filled = _filled(nodes, more, ranks).items()
        return tuple(map(sum, zip(*(cost_on(*one) for one in filled), strict=True)))

    every = choices(nodes, count, least=least)
    return _filled(nodes, best(every, nodes.extent, nodes.free, package_left, total), ranks)


def _filled(nodes: Candidates, more: Nodes, ranks: int) -> dict[int, int]:
    """Fill the nodes used and these, the one with the fewest free sets first."""
    placed = {}
    for node in sorted((*nodes.used, *more), key=lambda one: (nodes.states[one].free, one)):
        placed[node] = min(ranks, nodes.states[node].free)
        ranks -= placed[node]
    return placed
