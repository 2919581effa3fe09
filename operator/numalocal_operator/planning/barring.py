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

    `known` are all nodes there are, and `never` tells that each that has the sets is one of the
    others for good: no pod is made, as a cluster autoscaler would add such nodes without end.
    """

    nodes: tuple[str, ...] = ()
    left: int = 0
    known: frozenset[str] = frozenset()
    never: bool = False

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
            f"{self.left + len(self.nodes)} nodes cannot bind a replica as it asks, and a pod is "
            f"kept off no more than {len(self.nodes)} of them by name: label those that can, and "
            "say so as nodeSelector of the template"
        )


def barred(fleet: Fleet, wanted: Demand, seen: Iterable[str] = ()) -> Barred:
    """Give the nodes that a pod is to be kept off; `seen` have been found unable by its sisters."""
    found = fleet.unable(wanted)
    unable = sorted({*found.names, *seen})
    most = min(MOST, _MOST_ENTRIES // max(len(wanted.asked.terms or ()), 1))
    left = max(len(unable) - most, 0)
    return Barred(tuple(unable[:most]), left, fleet.names, never=bool(found.never))
