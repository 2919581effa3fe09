"""What an engine's adapter is made of, and what it knows of a worker."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from numalocal.engines import arguments
from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment

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

    def own(self, *names: str) -> str:
        """Name the first of these options and variables that the user gives; empty = none."""
        words = arguments.words(self.argv)
        given = (name for name in names if name in self.variables or arguments.has(words, name))
        return next(given, "")

    def number(self, *options: str) -> int | None:
        """Give the whole number of the first of these options that is given as one."""
        words = arguments.words(self.argv)
        values = (arguments.value(words, option) or "" for option in options)
        return next((int(value) for value in values if value.isdecimal()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Where a job came to lie.

    `compute` are the CPUs for compute threads of each rank, in rank order.  `confined` tells that
    a cgroup holds it there, else it is held by no more than its own affinity.
    """

    job: Job
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
    """An argument that an engine is to get, unless the user gives it or one of `unless`.

    A value may name variables that come with the CPU sets, `$(NUMALOCAL_...)`.
    """

    name: str
    value: str
    unless: tuple[str, ...] = ()


def _nothing(_job: Job) -> Sequence[str]:
    return ()


def _no_options(_job: Job) -> Sequence[Option]:
    return ()


def _no_reserve(_job: Job, _architecture: str) -> int:
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """How one engine is told its CPUs, its threads and its memory; every function is pure.

    `speaks` names each variable that `variables` may give, with the engine's options that say the
    same.  `options` are known before the CPU sets are.  `notes` say what this engine cannot be
    told.  `reserved` is the engine's own number of cores per replica without compute threads, by
    architecture.  `forks` engines start their workers from a Python process, which must not be
    pinned.  `kv_cache` engines can be told the size of their KV cache.  `shm_bytes_per_rank` is
    what the ranks share in /dev/shm.
    """

    name: str
    variables: Callable[[Seat], Mapping[str, str]]
    speaks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options: Callable[[Job], Sequence[Option]] = _no_options
    notes: Callable[[Job], Sequence[str]] = _nothing
    reserved: Callable[[Job, str], int] = _no_reserve
    forks: bool = False
    kv_cache: bool = False
    shm_bytes_per_rank: int = 0
