"""How many ranks the memory of a machine holds, by the nodes that their sets take it from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine
from numalocal.sets.sharing import crowded, in_turn

_MOST_GROUPS: Final = 12
"""Groups that share nodes with each other: up to here every way to share them out is weighed."""
_MOST_WORK: Final = 1 << 20
"""Sums that are compared at most; then the best answer so far counts."""
_ENDLESS: Final = 1 << 100
"""The memory of a node of which the kernel tells none: more than all ranks can ask for."""
_STEP: Final = 1 << 20
"""How fine the largest amount is told, in bytes."""

Sources = Mapping[IdSet, int]
"""By the nodes that sets take memory from, all together: how many such sets there are."""


def usable_bytes(machine: Machine) -> dict[int, int]:
    """Give the memory of each node that ranks can have, where the kernel tells it."""
    return {
        node.id: node.usable_memory_bytes for node in machine.nodes if node.memory_bytes is not None
    }


def slots(sources: Sources, memory_bytes: Mapping[int, int], rank_bytes: int) -> dict[IdSet, int]:
    """Tell of how many sets memory holds a rank each, as many in all as there can be.

    A rank may take its bytes from any of its set's nodes.  Of equal answers the one with more ranks
    on few nodes each, as these are the nearest.
    """
    found: dict[IdSet, int] = {}
    rank_bytes = max(1, rank_bytes)
    for near in _apart(sorted(sources, key=lambda one: (len(one), tuple(one)))):
        left = {node: memory_bytes.get(node, _ENDLESS) for node in union(near)}
        if len(near) <= _MOST_GROUPS:
            search = _Search([sources[key] for key in near], _together(near, left), rank_bytes)
            found |= zip(near, search.best, strict=True)
        else:
            found |= in_turn({key: sources[key] for key in near}, left, rank_bytes)
    return found


def largest_rank_bytes(sources: Sources, memory_bytes: Mapping[int, int], ranks: int) -> int:
    """Tell with how many bytes each, in whole MiB, that many ranks fit; 0 where they never do."""
    known = (memory_bytes.get(node, _ENDLESS) for node in union(sources))
    low, high = 0, sum(known) // _STEP + 1
    while high - low > 1:
        middle = (low + high) // 2
        fits = sum(slots(sources, memory_bytes, middle * _STEP).values()) >= ranks
        low, high = (middle, high) if fits else (low, middle)
    return low * _STEP


def overdrawn(
    sources: Sources, memory_bytes: Mapping[int, int], rank_bytes: int
) -> tuple[IdSet, ...]:
    """Name the nodes, as few together as can be, that ranks on so many sets ask too much of."""
    found: list[IdSet] = []
    for near in _apart(sources):
        known = {node: memory_bytes.get(node, _ENDLESS) for node in union(near)}
        if len(near) <= _MOST_GROUPS:
            unions = _unions(near)
        else:
            unions = [*near, crowded({key: sources[key] * rank_bytes for key in near}, known)]
        for nodes in sorted(dict.fromkeys(unions), key=lambda one: (len(one), tuple(one))):
            asked = rank_bytes * sum(sources[key] for key in near if key <= nodes)
            if asked > sum(known[node] for node in nodes) and not any(
                one <= nodes for one in found
            ):
                found.append(nodes)
    return tuple(sorted(found, key=tuple))


def _apart(keys: Iterable[IdSet]) -> list[list[IdSet]]:
    """Sort them into lots that share no node with each other."""
    lots: list[list[IdSet]] = []
    for key in keys:
        touching = [lot for lot in lots if not union(lot).isdisjoint(key)]
        apart = [lot for lot in lots if lot not in touching]
        lots = [*apart, [*(one for lot in touching for one in lot), key]]
    return lots


def _together(keys: Sequence[IdSet], memory_bytes: Mapping[int, int]) -> list[int]:
    """Give the memory of each choice of the groups; bit i of the index is group i."""
    return [sum(memory_bytes[node] for node in one) for one in _unions(keys)]


def _unions(keys: Iterable[IdSet]) -> list[IdSet]:
    unions = [IdSet()]
    for key in keys:
        unions += [one | key for one in unions]
    return unions


class _Search:
    """Try every number of ranks on every group, the largest numbers first.

    Ranks can be shared out over nodes where each choice of groups asks for no more than its nodes
    have together (Hall's theorem, for amounts).
    """

    def __init__(self, sets: Sequence[int], together: Sequence[int], rank_bytes: int) -> None:
        self._sets = sets
        self._most = [bytes_ // rank_bytes for bytes_ in together]
        self._bound = min(sum(sets), self._most[-1])
        self._work = 0
        self.best: tuple[int, ...] = (0,) * len(sets)
        self._extend((), [0])

    def _extend(self, chosen: tuple[int, ...], sums: list[int]) -> None:
        """Go on from ranks that are chosen for the first groups, and the sums of these."""
        place = len(chosen)
        if place == len(self._sets):
            self.best = max(self.best, chosen, key=sum)
            return
        later = sum(self._sets[place + 1 :])
        for ranks in range(min(self._sets[place], self._most[1 << place]), -1, -1):
            beaten = sum(chosen) + ranks + later <= sum(self.best)
            if beaten or sum(self.best) == self._bound or self._work > _MOST_WORK:
                return
            more = [one + ranks for one in sums]
            self._work += len(more)
            if all(one <= self._most[index + len(sums)] for index, one in enumerate(more)):
                self._extend((*chosen, ranks), [*sums, *more])
