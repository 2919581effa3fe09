"""This node at one moment, as whoever binds containers sees it."""

from dataclasses import dataclass
from functools import cached_property

from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment
from numalocal.sets.partition import Partition
from numalocal.sets.reach import Reach
from numalocal_deviceplugin.abilities import Abilities
from numalocal_deviceplugin.asking import MemoryOf
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.refusals import Refusal


@dataclass(frozen=True, kw_only=True)
class Node:
    """What is known of it, and what follows for all its containers.

    `lent` are CPUs of sets that nobody holds, and that others may use until somebody does.
    `left_alone` are namespaces whose containers are moved nowhere.  `abilities` are the memory
    policies that can be set here.  `barred` says why nobody is adjusted now, None = the agent
    binds.
    """

    machine: Machine
    partition: Partition
    ledger: Ledger
    lent: IdSet = IdSet()  # noqa: RUF009 - immutable
    left_alone: frozenset[str] = frozenset()
    abilities: Abilities = Abilities()  # noqa: RUF009 - frozen
    barred: Refusal | None = None

    @cached_property
    def others(self) -> IdSet:
        """The CPUs of all that holds none: never empty while a CPU is free, and all online."""
        free = self.machine.online - self.ledger.held
        return (self.partition.shared | self.lent) & free or free

    @cached_property
    def reaches(self) -> dict[tuple[Assignment, MemoryOf], Reach]:
        """What was found already: a node at rest is looked at over and over."""
        return {}
