"""What an engine's adapter is made of, and what it knows of a worker."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from numalocal.engines import arguments, wrappers
from numalocal.engines.arguments import Command
from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment

_DIGITS: Final = 10
"""Longer numbers are none of ranks."""

OPENMP_RUNTIMES: Final = ("auto", "gnu", "llvm", "intel", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What a worker says about its engine.

    `openmp` names the OpenMP runtime of a one-process program.  `reserved_cores` is the number of
    cores per replica without compute threads, None leaves it to the engine's default.
    `kv_cache_bytes` is the KV cache of each rank; None is what its memory leaves.
    """

    name: str = "none"
    openmp: str = "auto"
    reserved_cores: int | None = None
    kv_cache_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is known of a job's memory before it has a place; None = not asked for or not known.

    `limit_bytes` is the pod's limit.  `node_bytes` is the MemTotal of the largest NUMA node that
    it may come to: what is counted from that is too much on none.  `host_bytes` is a whole
    machine's, where there is no limit.
    """

    per_rank_bytes: int | None = None
    limit_bytes: int | None = None
    node_bytes: int | None = None
    host_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A container that is to run an engine, before it has a place.

    `command` and `args` are the container's own; without a command the image's entry point, which
    is not known here, gets the args.  `variables` are those that the user sets: a value of None is
    known to nobody here, as that of `valueFrom`.  `envfrom` tells that there are others, whose
    names are not known either.
    """

    settings: EngineSettings
    ranks: int = 1
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    variables: Mapping[str, str | None] = field(default_factory=dict)
    envfrom: bool = False
    image: str = ""
    memory: Memory = field(default_factory=Memory)

    @property
    def argv(self) -> tuple[str, ...]:
        """What the process gets, as far as it is known."""
        return (*self.command, *self.args)


@dataclass(frozen=True, slots=True)
class Program:
    """One of an engine's programs; `name` is its name in sentences.

    `reads_options` tells that it takes the engine's options behind its own words, and
    `reads_variables` that it takes the engine's variables.
    """

    name: str
    reads_options: bool = True
    reads_variables: bool = True


LIBRARY: Final = Program("a Python program of your own", reads_options=False)
"""The engine is a library in it: options are what the program makes of them."""
UNKNOWN_PROGRAM: Final = Program("", reads_options=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """How a job's container calls its engine: one program, its words, its variables.

    `command` is all that may call it, in one, and `several` tells that this is more than one.
    `abbreviated` are the options of which the program takes a beginning for the whole.  `doubtful`
    tells that there may be options which cannot be seen from here.  `closed` says why no argument
    can be added; empty where one can.
    """

    job: Job
    program: Program
    command: Command
    several: bool
    abbreviated: frozenset[str]
    doubtful: bool
    closed: str

    def own(self, *names: str) -> str:
        """Name the first of these options and variables that the user gives; empty = none."""
        return next((name for name in names if self._gives(name)), "")

    def value(self, name: str) -> str | None:
        """Give the value of an option or a variable; None where it has none, or none is known."""
        if name.startswith("-"):
            return arguments.value(self.command.words, name, self.abbreviated)
        return self.command.variables.get(name, self.job.variables.get(name))

    def number(self, *options: str, absent: int = 1) -> int | None:
        """Give the number that an option says by one of its names; None where nobody knows it."""
        own = self.own(*options)
        if not own:
            return None if self.doubtful else absent
        said = (self.value(own) or "").strip()
        plain = said.isascii() and said.isdecimal() and len(said) < _DIGITS
        return int(said) if plain and not self.several else None

    @property
    def binds_ranks(self) -> bool:
        """Tell whether the binder starts the ranks, or somebody by it."""
        names = (*self.command.wrappers, *(wrappers.base(word) for word in self.command.words))
        return wrappers.BINDER in names

    def _gives(self, name: str) -> bool:
        if name.startswith("-"):
            return arguments.given(self.command.words, name, self.abbreviated)
        return name in self.job.variables or name in self.command.variables


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Where a job came to lie.

    `compute` are the CPUs for compute threads of each rank, in rank order.  `confined` tells that
    a cgroup holds it there, else it is held by no more than its own affinity.
    """

    call: Call
    assignment: Assignment
    machine: Machine
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
    shm_bytes_per_rank: int = 0
