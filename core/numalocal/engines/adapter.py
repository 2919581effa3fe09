"""What an engine's adapter is made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from numalocal.engines.arguments import Command
from numalocal.engines.call import Call, Program
from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Where a job came to lie.

    `rank_mems` are the NUMA nodes and `compute` the CPUs for compute threads of each rank, in rank
    order.  `confined` tells that a cgroup holds it there, else it is held by no more than its own
    affinity.
    """

    call: Call
    assignment: Assignment
    machine: Machine
    rank_mems: tuple[IdSet, ...]
    compute: tuple[IdSet, ...]
    confined: bool = True

    @property
    def lists(self) -> str:
        """The compute CPUs of each rank in list format, joined by `|`."""
        return "|".join(str(cpus) for cpus in self.compute)

    @property
    def threads(self) -> int:
        """Compute threads of all ranks."""
        return sum(len(cpus) for cpus in self.compute)


@dataclass(frozen=True, slots=True)
class Option:
    """An argument or a variable that an engine is to get, unless the user gives it or an `unless`.

    A value may name variables that come with the CPU sets, `$(NUMALOCAL_...)`.  `unless` are other
    names of the same, and variables and options that say the same.
    """

    name: str
    value: str
    unless: tuple[str, ...] = ()


def _no_notes(_call: Call) -> Sequence[str]:
    return ()


def _no_options(_call: Call) -> Sequence[Option]:
    return ()


def _no_variables(_seat: Seat) -> Mapping[str, str]:
    return {}


def _no_reserve(_call: Call, _architecture: str) -> int:
    return 0


def any_program(command: Command, _image: str) -> Program:
    """Take any program for the engine's, where all are told the same."""
    return Program(command.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """How one engine is told its CPUs, its threads and its memory; every function is pure.

    `program` finds which of the engine's programs a command is, from the command and the image's
    name; None = none of them.  `options` are arguments that are known before the CPU sets are, and
    `settled` variables; where one of `configs` is given, a file may say what options say.
    `variables` are known after, and `speaks` names each that may be given, with the engine's
    options and variables that say the same.  `abbreviated` are the names of the engine's options
    where its parser takes a beginning of a name for it.  `ignores` are variables
    that people set and the engine does not obey, with the reason.  `notes` say what else this
    engine cannot be told.  `reserved` is the engine's own number of cores per replica without
    compute threads, by architecture.  `forks` engines start their workers from a Python process,
    which must not be pinned.  `kv_cache` engines can be told the size of their KV cache.
    `binds_memory` engines set a memory policy of their own, on one node for each rank.
    `shm_bytes_per_rank` is what the ranks share in /dev/shm.
    """

    name: str
    program: Callable[[Command, str], Program | None] = any_program
    variables: Callable[[Seat], Mapping[str, str]] = _no_variables
    settled: Callable[[Call], Sequence[Option]] = _no_options
    speaks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options: Callable[[Call], Sequence[Option]] = _no_options
    configs: tuple[str, ...] = ()
    abbreviated: frozenset[str] = frozenset()
    ignores: Mapping[str, str] = field(default_factory=dict)
    notes: Callable[[Call], Sequence[str]] = _no_notes
    reserved: Callable[[Call, str], int] = _no_reserve
    forks: bool = False
    kv_cache: bool = False
    binds_memory: bool = False
    shm_bytes_per_rank: int = 0
