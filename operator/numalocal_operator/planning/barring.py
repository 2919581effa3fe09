"""Which nodes a pod is kept off by name, as they could not bind it as it asks."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from numalocal_operator.planning.demand import Demand
from numalocal_operator.planning.numbers import Fleet

MOST: Final = 64
"""Nodes that one pod is kept off."""
_MOST_ENTRIES: Final = 1024
"""The same of all its terms together, each of which has to name the nodes: a pod has a size."""


@dataclass(frozen=True, slots=True)
class Barred:
    """The nodes that a pod is kept off, in order; `left` more that it may land on all the same.

    `known` are all nodes there are, and `for_good` those that no moment makes good.  `never` tells
    that each that has the sets is one of these: no pod is made, as a cluster autoscaler would add
    such nodes without end.
    """

    nodes: tuple[str, ...] = ()
    left: int = 0
    known: frozenset[str] = frozenset()
    for_good: frozenset[str] = frozenset()
    never: bool = False

    def strands(self, node: str) -> bool:
        """Tell whether a pod that came to a node before that was known had better come elsewhere.

        Where its successor may come to another such node it would go on without end.
        """
        return node in self.for_good and not (self.left or self.never)

    def misleads(self, kept_off: frozenset[str]) -> bool:
        """Tell whether a pod that waits is not kept off one of them, or off one that is able now.

        Names of nodes that are gone keep it off nothing.
        """
        now = frozenset(self.nodes)
        return not now <= kept_off or not (kept_off - now).isdisjoint(self.known)

    @property
    def exposed(self) -> str:
        """Say that a pod may come to a node that refuses it; empty where it may not."""
        if not self.left:
            return ""
        return (
            f"{self.left + len(self.nodes)} nodes cannot bind a pod as it asks, and it is kept off "
            f"no more than {len(self.nodes)} of them by name: label those that can, and say so as "
            "its nodeSelector"
        )


def barred(fleet: Fleet, wanted: Demand, seen: Iterable[str] = ()) -> Barred:
    """Give the nodes that a pod is to be kept off; `seen` have been found unable by its sisters."""
    found = fleet.unable(wanted)
    unable = sorted({*found.names, *seen})
    most = min(MOST, _MOST_ENTRIES // max(len(wanted.asked.terms or ()), 1))
    left = max(len(unable) - most, 0)
    return Barred(
        tuple(unable[:most]), left, fleet.names, for_good=found.for_good, never=bool(found.never)
    )
