"""Every engine in its own language: one module per engine, found here by its name.

`tell` says what an engine is told before it has a place, `variables` what once it has one.  The
way there: `arguments` reads the container's command line, `program` finds the engine's in it,
the engine's adapter says what that program is to be told, and what the user says himself is left
out here, for all engines alike.  A note is a sentence for the user on what is not told, and why.

A new engine is one module with ADAPTERS, its golden file, and its name in the CRD.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from numalocal import names
from numalocal.engines import compute, program
from numalocal.engines.adapter import Adapter, Option, Seat
from numalocal.engines.call import Call
from numalocal.engines.job import OPENMP_RUNTIMES, EngineSettings, Job, Memory
from numalocal.engines.openmp import PINNING
from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment
from numalocal.sets.memoryask import BOUND_LOCALLY
from numalocal.sets.reach import Reach

__all__ = [
    "ENGINES",
    "OPENMP_RUNTIMES",
    "PINNING",
    "EngineSettings",
    "Job",
    "Memory",
    "Told",
    "adapter",
    "compute_cpus",
    "tell",
    "variables",
]


def _adapters() -> Mapping[str, Adapter]:
    modules = (import_module(f"{__name__}.{one.name}") for one in iter_modules(__path__))
    return {one.name: one for module in modules for one in getattr(module, "ADAPTERS", ())}


_ADAPTERS: Final = _adapters()
ENGINES: Final = tuple(sorted(_ADAPTERS))


_BINDERS: Final = frozenset(
    {
        *("numactl", "taskset", "ipexrun", "torch.backends.xeon.run_cpu"),
        "intel_extension_for_pytorch.cpu.launch",
    }
)
"""What names CPUs of its own, in numbers of a machine that it does not know."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an engine is told before it has a place, and what it cannot be told, a sentence each.

    `arguments` go behind the container's own, and `variables` beside them.
    """

    arguments: tuple[str, ...]
    notes: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)


def adapter(name: str) -> Adapter:
    """Find an engine's adapter by one of ENGINES."""
    return _ADAPTERS[name]


def tell(job: Job) -> Told:
    """Give what to add to the user's own, and notes on what is not done and why."""
    engine = adapter(job.settings.name)
    asked = program.find(job, engine)
    options, settled = tuple(engine.options(asked)), tuple(engine.settled(asked))
    added = tuple(word for one in _free(asked, options) for word in (one.name, one.value))
    notes = (
        *_kept(asked, engine, (*options, *settled)),
        *_not_added(asked, added),
        *_ignored(asked, engine),
        *_pinned(asked, engine),
        *_binds_itself(asked),
        *_binds_memory(asked, engine),
        *engine.notes(asked),
        *_elsewhere(job),
    )
    return Told(
        arguments=() if asked.closed else added,
        notes=tuple(dict.fromkeys(notes)),
        variables={one.name: one.value for one in _free(asked, settled)},
    )


def variables(
    job: Job,
    assignment: Assignment,
    machine: Machine,
    *,
    reach: Reach | None = None,
    confined: bool = True,
    quota_cpus: int | None = None,
) -> Mapping[str, str]:
    """Give the variables to add to an engine's container once it has its CPU sets.

    What the user sets, or says by an option, is left out; no value is empty.  `reach` is where its
    ranks have memory, None = where their sets have it.  `confined` tells that a cgroup holds the
    engine, `quota_cpus` how many whole CPUs its CPU quota is.
    """
    engine = adapter(job.settings.name)
    asked = program.find(job, engine)
    seat = Seat(
        call=asked,
        assignment=assignment,
        machine=machine,
        rank_mems=(
            reach.rank_mems if reach else tuple(one.memory_nodes for one in assignment.sets)
        ),
        compute=_compute_cpus(asked, assignment, machine, quota_cpus),
        confined=confined,
    )
    told = engine.variables(seat).items()
    ours = {name: value for name, value in told if not asked.own(name, *engine.speaks[name])}
    if asked.own(*PINNING):
        ours = {name: value for name, value in ours.items() if name not in PINNING}
    own = {
        **assignment.environment(),
        **(reach.environment() if reach else {}),
        names.ENV_RANK_COMPUTE_CPUS: seat.lists,
    }
    return {name: value for name, value in own.items() if not asked.own(name)} | ours


def compute_cpus(
    job: Job, assignment: Assignment, machine: Machine, quota_cpus: int | None = None
) -> tuple[IdSet, ...]:
    """Choose the CPUs for the compute threads of each rank, in rank order, less the reserved."""
    asked = program.find(job, adapter(job.settings.name))
    return _compute_cpus(asked, assignment, machine, quota_cpus)


def _compute_cpus(
    asked: Call, assignment: Assignment, machine: Machine, quota_cpus: int | None
) -> tuple[IdSet, ...]:
    reserved = asked.job.settings.reserved_cores
    if reserved is None:
        engine = adapter(asked.job.settings.name)
        reserved = engine.reserved(asked, machine.architecture)
    return compute.compute_cpus(assignment, machine, reserved, quota_cpus)


def _free(asked: Call, options: Iterable[Option]) -> Iterator[Option]:
    """Leave out what the user says himself."""
    return (one for one in options if not asked.own(one.name, *one.unless))


def _not_added(asked: Call, added: tuple[str, ...]) -> Iterator[str]:
    if added and asked.closed:
        yield f"{' '.join(added)} is not added, as {asked.closed}: write it there yourself"


def _kept(asked: Call, engine: Adapter, options: tuple[Option, ...]) -> Iterator[str]:
    """Say of each thing that could be told how the user tells it himself, where he says another."""
    could = [
        (one.name, one.unless)
        for one in options
        if asked.value(asked.own(one.name, *one.unless)) != one.value
    ]
    could += engine.speaks.items() if asked.program.reads_variables else ()
    for ours, others in could:
        if own := asked.own(ours, *others):
            unseen = own in asked.job.variables and asked.job.variables[own] is None
            value = ", of a value that is not known here" if unseen else ""
            told = "" if own == ours else f": {ours} is not told"
            yield f"{own} is the worker's own{value}{told}"


def _ignored(asked: Call, engine: Adapter) -> Iterator[str]:
    for name, reason in engine.ignores.items():
        if asked.own(name):
            yield f"{name} is set, and {reason}"


def _pinned(asked: Call, engine: Adapter) -> Iterator[str]:
    own = asked.own(*PINNING) if engine.forks else ""
    if own:
        yield (
            f"{own} pins the main process of {engine.name} to one CPU as soon as OpenMP is loaded, "
            "and all that it starts: leave it out"
        )


def _binds_itself(asked: Call) -> Iterator[str]:
    for name in sorted({*asked.command.wrappers, asked.command.name} & _BINDERS):
        yield f"{name} binds before it is known where the engine comes to lie: leave it out"


def _binds_memory(asked: Call, engine: Adapter) -> Iterator[str]:
    """Say that an engine's own policy replaces whatever was set before it began."""
    memory = asked.job.memory
    if engine.binds_memory and memory.ask != BOUND_LOCALLY and not memory.sealed:
        yield (
            f"{engine.name} binds the memory of each rank to one NUMA node by itself, whatever "
            "memory policy and nodes it is given, unless seccomp denies it (in a cluster: "
            "securityContext.seccompProfile.type: RuntimeDefault)"
        )


def _elsewhere(job: Job) -> Iterator[str]:
    if job.env_from:
        yield "envFrom may set variables that are not seen here: no note tells of them"
