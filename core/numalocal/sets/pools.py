"""Pools: named rules that cut a machine into CPU sets."""

from typing import Final, Literal, NamedTuple

from numalocal.idset import IdSet
from numalocal.machine.model import KINDS, Kind, Machine

NODE_SIZE: Final = "numa"
"""The size of a set that takes its whole NUMA node, less the reserved cores."""
L3_SIZE: Final = "l3"
"""The size of a set that takes all cores beside one L3 cache, less the reserved cores."""

Size = int | Literal["numa", "l3"]
Preference = Literal["Spread", "Pack"]
PREFERENCES: Final[tuple[Preference, ...]] = ("Spread", "Pack")


class Pool(NamedTuple):
    """One rule.

    `size` is the number of cores per set, `numa` or `l3`.  `reserve` cores of every NUMA node stay
    shared; where several pools cut one node, the largest reserve counts.  `nodes` are the NUMA
    nodes it cuts, None = all.  `core_kind` takes only the cores of one kind of a hybrid machine.
    `threads_per_core` is how many compute threads a core gets, None = as the architecture wants.
    `memory_bytes` is each set's memory, None = the node's in proportion to its cores.
    `placement` is how the sets of one replica are laid over NUMA nodes.
    """

    name: str
    size: Size = NODE_SIZE
    reserve: int = 1
    nodes: IdSet | None = None
    core_kind: Kind | None = None
    threads_per_core: int | None = None
    memory_bytes: int | None = None
    placement: Preference = "Spread"

    def cuts(self, node: int) -> bool:
        """Tell whether it cuts this NUMA node."""
        return self.nodes is None or node in self.nodes


def default_pools(machine: Machine) -> tuple[Pool, ...]:
    """Suit a machine when nothing is configured: one set per NUMA node, one core each shared.

    On a hybrid machine the sets take its performance cores, as one slow core holds up all the
    others; a process that may use none of them has what it may use.
    """
    fast = any(one.kind == KINDS[0] and one.cpus & machine.allowed for one in machine.kinds)
    return (Pool(name="cpuset", core_kind=KINDS[0] if fast else None),)
