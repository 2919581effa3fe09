"""What the nodes are to a pod that asks by annotation: the pod as somebody made it in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numalocal.worker.inject import PoolNumbers
from numalocal_operator.planning.barring import barred
from numalocal_operator.planning.demand import of_annotated
from numalocal_operator.planning.numbers import Fleet


@dataclass(frozen=True, slots=True)
class Offered:
    """`pools` are those that nodes offer, with the numbers by which a pod is sized.

    `off` are the nodes that it is kept off, and `exposed` says that it may come to others that
    refuse it; empty where it may not.  `never` says why no node that has the sets can bind it
    as it asks, whatever comes; empty where one can, or may.
    """

    pools: Mapping[str, PoolNumbers]
    off: tuple[str, ...] = ()
    exposed: str = ""
    never: str = ""


def offered(fleet: Fleet, pod: Mapping[str, Any]) -> Offered:
    """Look at all nodes for a pod that asks."""
    wanted = of_annotated(pod)
    unable, off = fleet.unable(wanted), barred(fleet, wanted)
    pools = fleet.pools(wanted.asked, unable.names)
    return Offered(pools, off.nodes, off.exposed, unable.never)
