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
`_MOST_LOOKS` allows.  There 1 holds, and the nodes are chosen one by one: each the nearest to those
before it, then the one with the fewest free sets, then the lowest.  The first, if there is none
before it, is the nearest to its own neighbours.  Within these nodes 4 and 5 hold.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from heapq import nlargest, nsmallest
from itertools import accumulate, chain, combinations, product, repeat
from math import comb
from typing import Any, Final

from numalocal.errors import SetsUnavailable
from numalocal.machine.model import Machine
from numalocal.sets.cpusets import CpuSet, in_rank_order
from numalocal.sets.packing import Room, fit, rooms, take
from numalocal.sets.pools import Preference

_MOST_LOOKS: Final = 512
"""Nodes looked at, over all ways to choose them: what takes a fraction of a millisecond."""
_FAR: Final = 20
"""The distance to another node where the kernel gives none: the kernel's own default."""

_Nodes = tuple[int, ...]
"""Ids of nodes, ascending."""


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
        raise SetsUnavailable(
            f"{size} CPU sets are asked for, {len(sets)} are free; "
            "lower spec.ranks or wait for a worker to end"
        )
    ground = _ground(rooms(sets.values(), held.keys(), machine), machine)
    ranks = max(0, size - len(held))
    placed = _spread(ground, ranks) if placement == "Spread" else _pack(ground, ranks)
    taken = (one for node, count in placed.items() for one in take(ground.rooms[node], count))
    return in_rank_order((*held.values(), *taken))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """Where ranks can go.

    `rooms` are by node id, ascending.  `used` nodes have ranks already; `unused` ones have only
    free sets.  `apart` adds up the distances between two nodes, both ways.  `package_free` counts
    the free sets of each package.
    """

    rooms: Mapping[int, Room]
    used: _Nodes
    unused: _Nodes
    distances: Mapping[int, Mapping[int, int]]
    apart: Callable[[tuple[int, int]], int]
    package_free: Mapping[int | None, int]

    def free(self, nodes: Iterable[int]) -> int:
        """Count the free sets on these nodes."""
        return sum(self.rooms[node].free for node in nodes)

    def extent(self, more: _Nodes) -> int:
        """Add up the distances that these nodes bring in, if they come into use together."""
        return sum(map(self.apart, chain(combinations(more, 2), product(more, self.used))))


def _ground(nodes: Iterable[Room], machine: Machine) -> _Ground:
    by_id = {room.node: room for room in nodes}
    distances = {node.id: node.distances for node in machine.nodes}
    package_free: Counter[int | None] = Counter()
    for room in by_id.values():
        package_free[room.package] += room.free

    @cache
    def apart(pair: tuple[int, int]) -> int:
        a, b = pair
        return distances[a].get(b, _FAR) + distances[b].get(a, _FAR)

    return _Ground(
        rooms=by_id,
        used=tuple(node for node, room in by_id.items() if room.held),
        unused=tuple(node for node, room in by_id.items() if not room.held),
        distances=distances,
        apart=apart,
        package_free=package_free,
    )


def _spread(ground: _Ground, ranks: int) -> dict[int, int]:
    """Tell how many ranks to place on each node: level by level, one more on all at the lowest."""
    placed = dict.fromkeys(ground.rooms, 0)
    level = 0
    while len(lowest := _lowest(ground, placed, level)) < ranks:
        placed |= {node: placed[node] + 1 for node in lowest}
        ranks -= len(lowest)
        level += 1

    @cache
    def cost(node: int) -> tuple[int, ...]:
        room = ground.rooms[node]
        before, after = fit(room, placed[node]), fit(room, placed[node] + 1)
        beside = (room.free, ground.package_free[room.package])
        return (*beside, after.begun - before.begun, after.left - before.left)

    def total(nodes: _Nodes) -> tuple[int, ...]:
        return tuple(map(sum, zip(*map(cost, nodes), strict=True)))

    if level:  # all of these are used already, so that each counts for itself
        last: Iterable[int] = nsmallest(ranks, lowest, key=cost)
    else:
        last = _best(_ways(ground, ranks, least=ranks), ground.extent, total)
    return placed | {node: placed[node] + 1 for node in last}


def _lowest(ground: _Ground, placed: Mapping[int, int], level: int) -> list[int]:
    """List the nodes that have so many ranks, and a free set for one more."""
    return [
        node
        for node, room in ground.rooms.items()
        if room.held + placed[node] == level and placed[node] < room.free
    ]


def _pack(ground: _Ground, ranks: int) -> dict[int, int]:
    """Tell how many ranks to place on each node: few nodes, filled one after another."""
    least = ranks - ground.free(ground.used)
    largest = sorted((ground.rooms[node].free for node in ground.unused), reverse=True)
    count = next(n for n, free in enumerate(accumulate(largest, initial=0)) if free >= least)

    def package_left(more: _Nodes) -> int:
        packages = {ground.rooms[node].package for node in (*ground.used, *more)}
        return sum(ground.package_free[package] for package in packages)

    @cache
    def cost(node: int, ranks: int) -> tuple[int, ...]:
        return fit(ground.rooms[node], ranks)

    def total(more: _Nodes) -> tuple[int, ...]:
        filled = _filled(ground, more, ranks).items()
        return tuple(map(sum, zip(*(cost(*one) for one in filled), strict=True)))

    ways = _ways(ground, count, least=least)
    best = _best(ways, ground.extent, ground.free, package_left, total)
    return _filled(ground, best, ranks)


def _filled(ground: _Ground, more: _Nodes, ranks: int) -> dict[int, int]:
    """Fill the nodes used and these, the one with the fewest free sets first."""
    placed = {}
    for node in sorted((*ground.used, *more), key=lambda one: (ground.rooms[one].free, one)):
        placed[node] = min(ranks, ground.rooms[node].free)
        ranks -= placed[node]
    return placed


def _ways(ground: _Ground, count: int, *, least: int) -> Iterable[_Nodes]:
    """List the ways to use `count` nodes more that have `least` free sets, the lowest ids first."""
    if comb(len(ground.unused), count) * count > _MOST_LOOKS:
        return [_near(ground, count, least=least)]
    ways = combinations(ground.unused, count)
    return [way for way in ways if ground.free(way) >= least]


def _best(ways: Iterable[_Nodes], *costs: Callable[[_Nodes], Any]) -> _Nodes:
    """Choose the way that costs least, by the first cost that differs; else the first way."""
    left = list(ways)
    for cost in costs:
        if len(left) > 1:
            each = [cost(way) for way in left]
            least = min(each)
            left = [way for way, one in zip(left, each, strict=True) if one == least]
    return left[0]


def _near(ground: _Ground, count: int, *, least: int) -> _Nodes:
    """Choose `count` unused nodes that have `least` free sets, one by one near those before."""
    free = {node: ground.rooms[node].free for node in ground.unused}
    rest, distances = sorted(ground.unused, key=lambda node: (free[node], node)), ground.distances
    plenty = sum(free[node] for node in rest[:count]) >= least
    before = list(ground.used)
    away = {node: sum(distances[one].get(node, _FAR) for one in before) for node in rest}
    if not before:  # near its own nearest, itself one of them
        for node in rest:
            away[node] = sum(sorted(map(distances[node].get, rest, repeat(_FAR)))[:count])
    for missing in reversed(range(count)):
        enough = rest
        if not plenty:
            others = sum(nlargest(missing, (free[node] for node in rest)))
            enough = [node for node in rest if free[node] + others >= least]
        best = min(enough, key=away.__getitem__)  # the first of equals: see `rest`
        rest.remove(best)
        least -= free[best]
        known = away if before else dict.fromkeys(rest, 0)
        away = {node: known[node] + distances[best].get(node, _FAR) for node in rest}
        before.append(best)
    return tuple(sorted(before[len(ground.used) :]))
