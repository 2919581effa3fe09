"""What every core of a machine is, which both pictures show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count, groupby
from typing import Final

from numalocal.machine.model import KINDS, Core, Kind, Machine
from numalocal.sets.cpusets import CpuSet
from numalocal.sets.partition import Partition
from numalocal.sets.setstate import SetState, state

_FIRST_FREE: Final = 4
"""Half of a palette."""


class State(Enum):
    """What a core is used for; the value is the legend's words."""

    SHARED = "shared by all others"
    FREE = "in a free set"
    USED = "in a used set"
    WITHHELD = "in a set that cannot be given"
    OFFLINE = "that is offline"
    FORBIDDEN = "not allowed to this process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One core: its state, and the set that it belongs to, if any."""

    core: Core
    state: State
    owner: CpuSet | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellGroup:
    """Cores of one node that are of one kind and share an L3 cache (a book on s390x)."""

    kind: Kind | None
    locality: int | None
    cells: Sequence[Cell]


def colour_numbers(sets: Sequence[CpuSet], used_by: Mapping[str, str]) -> Mapping[str, int]:
    """Number every set among the used, or the free ones: that is its colour.

    So ranks of one worker differ however far apart they are.  Free sets begin with other colours,
    lest a free set looks like part of the used one beside it.
    """
    counts = {True: count(), False: count(_FIRST_FREE)}
    return {one.id: next(counts[one.id in used_by]) for one in sets}


def of_set(one: CpuSet, machine: Machine, used_by: Mapping[str, str]) -> State:
    """Tell what becomes of all cores of a set that are online and allowed."""
    match state(one, machine, used_by):
        case SetState.USED:
            return State.USED
        case SetState.FREE:
            return State.FREE
        case SetState.OFFLINE | SetState.NOT_ALLOWED:
            return State.WITHHELD


class Cells:
    """A machine's cores by node; `used_by` says by a set's id who uses it."""

    def __init__(
        self, machine: Machine, partition: Partition | None, used_by: Mapping[str, str]
    ) -> None:
        self._machine = machine
        self._used_by = used_by
        sets = partition.sets if partition else ()
        self._owner_of = {cpu: one for one in sets for cpu in one.cpus}
        self._locality_of = {
            cpu: locality for locality, near in enumerate(machine.localities) for cpu in near
        }

    def of_node(self, node: int | None) -> tuple[CellGroup, ...]:
        """List a node's cores, performance cores first, then by locality and lowest CPU.

        A core that firmware puts into several nodes is shown in each; those in none are None's.
        """
        cores = [
            core
            for core in self._machine.cores
            if (node in core.numa_nodes if core.numa_nodes else node is None)
        ]
        ordered = sorted(cores, key=self._order)
        return tuple(
            CellGroup(kind=kind, locality=locality, cells=tuple(map(self._cell, members)))
            for (kind, locality), members in groupby(
                ordered, key=lambda core: (core.kind, self._locality(core))
            )
        )

    def _order(self, core: Core) -> tuple[int, int, int]:
        kind = KINDS.index(core.kind) if core.kind else 0
        locality = self._locality(core)
        return kind, -1 if locality is None else locality, core.cpus.first

    def _locality(self, core: Core) -> int | None:
        return next((self._locality_of[cpu] for cpu in core.cpus if cpu in self._locality_of), None)

    def _cell(self, core: Core) -> Cell:
        owner = next((self._owner_of[cpu] for cpu in core.cpus if cpu in self._owner_of), None)
        return Cell(core=core, state=self._state(core, owner), owner=owner)

    def _state(self, core: Core, owner: CpuSet | None) -> State:
        """Tell what becomes of a core; one thread that is online and allowed is a core."""
        if core.cpus.isdisjoint(self._machine.online):
            return State.OFFLINE
        if core.cpus.isdisjoint(self._machine.allowed):
            return State.FORBIDDEN
        if owner is None:
            return State.SHARED
        return of_set(owner, self._machine, self._used_by)
