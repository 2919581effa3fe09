"""Place a worker's replicas on this machine: worker + machine + pools -> Placements."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from numalocal import engines, expansion, names
from numalocal.engines import Job
from numalocal.engines.compute import thread_variables
from numalocal.errors import SpecInvalid
from numalocal.machine.model import Machine
from numalocal.problems import Problem
from numalocal.sets.assignment import Assignment
from numalocal.sets.partition import Partition
from numalocal.sets.pools import Pool
from numalocal.sets.preference import prefer
from numalocal.sets.setstate import SetState, state
from numalocal.worker import jobs
from numalocal.worker.spec import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One replica: what it gets, what it runs and what it is told.

    `environment` holds what the template sets and what the placement adds; the engine sees it on
    top of ours.  `notes` say what the engine is not told, and why.
    """

    replica: int
    assignment: Assignment
    command: tuple[str, ...]
    environment: Mapping[str, str]
    notes: tuple[str, ...]


def place(
    worker: Worker, machine: Machine, partition: Partition, *, confined: bool = True
) -> tuple[Placement, ...]:
    """Give every replica its sets, lowest replica first, from those that this process may use.

    `confined` tells that a cgroup holds each replica in its sets.

    Raises:
        SetsUnavailable: where the sets do not suffice.
        SpecInvalid: where there is no such pool.
    """
    sizes = [node.memory_bytes or 0 for node in machine.nodes]
    job = jobs.job(worker, node_bytes=max(sizes, default=0), host_bytes=sum(sizes))
    pool = _pool(worker, partition)
    sets = partition.of_pool(pool.name)
    free = [one for one in sets if state(one, machine) is SetState.FREE]
    placements = []
    for replica in range(worker.replicas):
        chosen = prefer(free, size=worker.ranks, machine=machine, placement=pool.placement)
        assignment = Assignment(chosen)
        free = [one for one in free if one not in assignment.sets]
        placements.append(_placement(replica, worker, job, assignment, machine, confined=confined))
    return tuple(placements)


def _placement(
    replica: int,
    worker: Worker,
    job: Job,
    assignment: Assignment,
    machine: Machine,
    *,
    confined: bool,
) -> Placement:
    """Tell a replica what it would be told in a cluster, where the kubelet expands references."""
    told = engines.tell(_seen(job))
    first = {**assignment.environment(), **thread_variables(assignment, machine)}
    if worker.memory_per_rank_bytes is not None:
        first[names.ENV_MEMORY_PER_RANK_BYTES] = str(worker.memory_per_rank_bytes)
    theirs = expansion.environment(worker.template.engine.env)
    ours = engines.variables(_seen(job), assignment, machine, confined=confined)
    known = {**first, **theirs}
    return Placement(
        replica=replica,
        assignment=assignment,
        command=tuple(expansion.expand(one, known) for one in (*job.argv, *told.arguments)),
        environment={**first, **told.variables, **ours, **theirs},
        notes=(*worker.template.notes, *told.notes, *_unread(job)),
    )


def _seen(job: Job) -> Job:
    """Leave out the variables that only a cluster has values for: nobody sets them here."""
    known = {name: value for name, value in job.variables.items() if value is not None}
    return replace(job, variables=known, envfrom=False)


def _unread(job: Job) -> tuple[str, ...]:
    """Say which variables of the template are not set without a cluster."""
    unknown = [name for name, value in job.variables.items() if value is None]
    told = [f"{name} is not set from its valueFrom, which only a cluster reads" for name in unknown]
    envfrom = "the variables of envFrom, which only a cluster reads, are not set"
    return (*told, *((envfrom,) if job.envfrom else ()))


def users(worker: Worker, placements: Iterable[Placement]) -> Mapping[str, str]:
    """Tell of each set that is placed which rank has it, by the set's id."""
    return {
        one.id: f"{worker.name}-{placement.replica} rank {rank}"
        for placement in placements
        for rank, one in enumerate(placement.assignment.sets)
    }


def require_command(worker: Worker) -> None:
    """Refuse a worker that cannot run without its image.

    Raises:
        SpecInvalid: where the engine's container names no command.
    """
    container = worker.template.engine
    if not container.command:
        message = "must be given to run without a cluster: there is no image with an entry point"
        raise SpecInvalid([Problem(f"{container.path}.command", [], message)])


def _pool(worker: Worker, partition: Partition) -> Pool:
    try:
        return partition.pool(worker.pool)
    except KeyError:
        known = ", ".join(pool.name for pool in partition.pools)
        message = f"is not a pool of this machine; known: {known}"
        raise SpecInvalid([Problem("spec.pool", worker.pool, message)]) from None
