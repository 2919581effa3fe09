"""Every engine in its own language: one module per engine, found here by its name.

A new engine is one module with ADAPTERS, its golden file, and its name in the CRD.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from numalocal import names
from numalocal.engines import arguments, compute
from numalocal.engines.adapter import (
    OPENMP_RUNTIMES,
    Adapter,
    EngineSettings,
    Job,
    Memory,
    Seat,
)
from numalocal.engines.openmp import PINNING
from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment

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


@dataclass(frozen=True, slots=True)
class Told:
    """What an engine is told before it has a place, and what it cannot be told, a sentence each."""

    arguments: tuple[str, ...]
    notes: tuple[str, ...]


def adapter(name: str) -> Adapter:
    """Find an engine's adapter by one of ENGINES."""
    return _ADAPTERS[name]


def tell(job: Job) -> Told:
    """Give the arguments to add behind the user's own, and notes on what is not done and why."""
    engine = adapter(job.settings.name)
    added: list[str] = []
    notes: list[str] = []
    for option in engine.options(job):
        if own := job.own(option.name, *option.unless):
            notes.append(_kept(own, option.name))
        else:
            added += [option.name, option.value]
    for variable, options in engine.speaks.items():
        if own := job.own(variable, *options):
            notes.append(_kept(own, variable))
    if added and (why := _closed(job)):
        notes.append(f"{' '.join(added)} is not added, as {why}: write it there yourself")
        added = []
    return Told(tuple(added), (*notes, *_pinned(job, engine), *engine.notes(job)))


def variables(
    job: Job, assignment: Assignment, machine: Machine, *, confined: bool = True
) -> Mapping[str, str]:
    """Give the variables to add to an engine's container once it has its CPU sets.

    What the user sets, or says by an option, is left out; no value is empty.  `confined` tells
    that a cgroup holds the engine.
    """
    computing = compute_cpus(job, assignment, machine)
    seat = Seat(
        job=job, assignment=assignment, machine=machine, compute=computing, confined=confined
    )
    engine = adapter(job.settings.name)
    told = engine.variables(seat).items()
    ours = {name: value for name, value in told if not job.own(name, *engine.speaks[name])}
    if job.own(*PINNING):
        ours = {name: value for name, value in ours.items() if name not in PINNING}
    own = {**assignment.environment(), names.ENV_RANK_COMPUTE_CPUS: seat.lists}
    return {name: value for name, value in own.items() if not job.own(name)} | ours


def compute_cpus(job: Job, assignment: Assignment, machine: Machine) -> tuple[IdSet, ...]:
    """Choose the CPUs for the compute threads of each rank, in rank order, less the reserved."""
    reserved = job.settings.reserved_cores
    if reserved is None:
        reserved = adapter(job.settings.name).reserved(job, machine.architecture)
    return compute.compute_cpus(assignment, machine, reserved)


def _kept(own: str, ours: str) -> str:
    told = "" if own == ours else f": {ours} is not told"
    return f"{own} is the worker's own{told}"


def _closed(job: Job) -> str:
    """Say why no argument can be added to a command; empty where one can."""
    if not job.argv:
        return "the template gives no args, and any would replace the image's own"
    return "a shell reads the command" if arguments.is_script(job.argv) else ""


def _pinned(job: Job, engine: Adapter) -> tuple[str, ...]:
    own = job.own(*PINNING) if engine.forks else ""
    if not own:
        return ()
    return (
        f"{own} pins the main process of {engine.name} to one CPU as soon as OpenMP is loaded, and "
        "all that it starts: leave it out",
    )
