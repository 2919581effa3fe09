"""What an engine's adapter knows of a worker before the worker has a place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from numalocal.sets.memoryask import BOUND_LOCALLY, MemoryAsk

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
    machine's, where there is no limit.  `ask` is from which nodes it is to be taken, and how;
    `sealed` tells that seccomp lets the container set no memory policy of its own.
    """

    per_rank_bytes: int | None = None
    limit_bytes: int | None = None
    node_bytes: int | None = None
    host_bytes: int | None = None
    ask: MemoryAsk = BOUND_LOCALLY
    sealed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A container that is to run an engine, before it has a place.

    `command` and `args` are the container's own; without a command the image's entry point, which
    is not known here, gets the args.  `variables` are those that the user sets: a value of None is
    known to nobody here, as that of `valueFrom`.  `env_from` tells that there are others, whose
    names are not known either.
    """

    settings: EngineSettings
    ranks: int = 1
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    variables: Mapping[str, str | None] = field(default_factory=dict)
    env_from: bool = False
    image: str = ""
    memory: Memory = field(default_factory=Memory)

    @property
    def argv(self) -> tuple[str, ...]:
        """What the process gets, as far as it is known."""
        return (*self.command, *self.args)
