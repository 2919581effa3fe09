"""What is asked of the memory of ranks, beside its amount: the words of spec and annotations."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from numalocal.sets.near import MemoryNodes


class MemoryPolicy(StrEnum):
    """How pages are taken from the nodes asked for.

    BIND takes them from these only, the nearest first, and needs no policy of the kernel's.
    PREFERRED takes them from these first, then from any other of the machine.  INTERLEAVE takes
    them from each in turn, WEIGHTED_INTERLEAVE by the weights in
    /sys/kernel/mm/mempolicy/weighted_interleave.
    """

    BIND = "Bind"
    PREFERRED = "Preferred"
    INTERLEAVE = "Interleave"
    WEIGHTED_INTERLEAVE = "WeightedInterleave"


BINDER_WORDS: Final[Mapping[MemoryPolicy, str]] = {
    MemoryPolicy.BIND: "bind",
    MemoryPolicy.PREFERRED: "preferred",
    MemoryPolicy.INTERLEAVE: "interleave",
    MemoryPolicy.WEIGHTED_INTERLEAVE: "weighted-interleave",
}
"""What the binder calls the policies: its --policy."""


class Overflow(StrEnum):
    """What happens where the nodes asked for do not hold what the ranks ask for.

    INTERLEAVE adds further ones, by distance, until they do.
    """

    REFUSE = "Refuse"
    INTERLEAVE = "Interleave"


class Enforcement(StrEnum):
    """Whether an engine may run that is not bound as asked; what it has is told either way."""

    REQUIRED = "Required"
    BEST_EFFORT = "BestEffort"


@dataclass(frozen=True, slots=True)
class MemoryAsk:
    """What is asked of the memory of each rank, beside its amount."""

    policy: MemoryPolicy = MemoryPolicy.BIND
    nodes: MemoryNodes = MemoryNodes.LOCAL
    on_overflow: Overflow = Overflow.REFUSE

    @property
    def is_apart(self) -> bool:
        """Whether ranks take nothing of the memory that their CPU sets bring."""
        return self.nodes is MemoryNodes.MEMORY_ONLY and self.policy is not MemoryPolicy.PREFERRED


BOUND_LOCALLY: Final = MemoryAsk()
"""What whoever asks for nothing else gets."""
