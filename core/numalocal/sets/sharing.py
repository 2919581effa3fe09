"""How nodes are shared out among those who may each take from several: a largest flow.

Who finds no room has others move over, by augmenting paths.  Where that does not help, the nodes
that were looked at are full of such as have no others.
"""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

from numalocal.idset import IdSet, union


def crowded(asked_bytes: Mapping[IdSet, int], memory_bytes: Mapping[int, int]) -> IdSet:
    """Name nodes of which those ask too much who have no others; empty where all fits."""
    taken = _Taken(memory_bytes, union(asked_bytes))
    for nodes, asked in asked_bytes.items():
        if taken.take(nodes, asked) < asked:
            return taken.looked_at
    return IdSet()


def in_turn(
    most: Mapping[IdSet, int], memory_bytes: Mapping[int, int], rank_bytes: int
) -> dict[IdSet, int]:
    """Give everybody one rank after another, in turn, as long as there is room for one.

    All of them fit, and none more would; in another turn there might be more.
    """
    taken = _Taken(memory_bytes, union(most))
    found = dict.fromkeys(most, 0)
    hopeful = [nodes for nodes in most if most[nodes]]
    while hopeful:
        for nodes in tuple(hopeful):
            got = taken.take(nodes, rank_bytes)
            found[nodes] += got == rank_bytes
            if got < rank_bytes:
                taken.give_back(nodes, got)
            if got < rank_bytes or found[nodes] == most[nodes]:
                hopeful.remove(nodes)
    return found


_Path = list[tuple[IdSet, int]]
"""Who is to take from which node: the last from one with room, each before from who moves over."""


class _Taken:
    """What is taken of each node, and by whom; `looked_at` are the nodes of the last search."""

    def __init__(self, memory_bytes: Mapping[int, int], nodes: IdSet) -> None:
        self._left = {node: memory_bytes[node] for node in nodes}
        self._by: dict[int, Counter[IdSet]] = {node: Counter() for node in nodes}
        self.looked_at = IdSet()

    def take(self, taker: IdSet, asked_bytes: int) -> int:
        """Take so much from these nodes, or what there is, and tell how much that was."""
        got = 0
        while got < asked_bytes and (path := self._path(taker)):
            got += self._move(path, asked_bytes - got)
        return got

    def give_back(self, taker: IdSet, bytes_: int) -> None:
        """Leave so much of what was taken to others."""
        for node in taker:
            some = min(bytes_, self._by[node][taker])
            self._by[node][taker] -= some
            self._left[node] += some
            bytes_ -= some

    def _path(self, taker: IdSet) -> _Path:
        """Find the shortest way to a node with room; empty where there is none."""
        came: dict[int, tuple[IdSet, int | None]] = dict.fromkeys(taker, (taker, None))
        looked_at = list(came)
        for node in looked_at:
            if self._left[node]:
                return _back(came, node)
            for other, taken in self._by[node].items():
                if taken:
                    fresh = [one for one in other if one not in came]
                    came |= dict.fromkeys(fresh, (other, node))
                    looked_at += fresh
        self.looked_at = IdSet.of(looked_at)
        return []

    def _move(self, path: _Path, most: int) -> int:
        """Take as much as there is a way for, and tell how much that was."""
        over = [(node, other) for (_, node), (other, _) in pairwise(path)]
        end = path[-1][1]
        amount = min(most, self._left[end], *(self._by[node][other] for node, other in over))
        for node, other in over:
            self._by[node][other] -= amount
        for taker, node in path:
            self._by[node][taker] += amount
        self._left[end] -= amount
        return amount


def _back(came: Mapping[int, tuple[IdSet, int | None]], end: int) -> _Path:
    path: _Path = []
    node: int | None = end
    while node is not None:
        taker, before = came[node]
        path.append((taker, node))
        node = before
    return path[::-1]
