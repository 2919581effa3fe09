"""Place a worker's replicas on this machine: worker + machine + pools -> Placements."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from numalocal import engines, expansion, names
from numalocal.engines import Job
from numalocal.engines.compute import thread_variables
from numalocal.errors import SetsUnavailable, SpecInvalid
from numalocal.host import fitting, quota, unavailable
from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine
from numalocal.pictures import words
from numalocal.problems import Problem, printable
from numalocal.sets.assignment import Assignment
from numalocal.sets.memoryask import Enforcement
from numalocal.sets.partition import Partition
from numalocal.sets.pools import Pool
from numalocal.sets.preference import prefer
from numalocal.sets.reach import Reach, reach_together
from numalocal.worker import jobs
from numalocal.worker.ask import memory_notes
from numalocal.worker.spec import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One replica: what it gets, what it runs and what it is told.

    `reach` is where its ranks have memory, and by which policy.  `environment` holds what the
    template sets and what the placement adds; the engine sees it on top of ours.  `notes` say what
    the engine is not told, and why.
    """

    replica: int
    assignment: Assignment
    reach: Reach
    command: tuple[str, ...]
    environment: Mapping[str, str]
    notes: tuple[str, ...]


def place(
    worker: Worker,
    machine: Machine,
    partition: Partition,
    *,
    confined: bool = True,
    held: IdSet | None = None,
    available_bytes: Mapping[int, int] | None = None,
) -> tuple[Placement, ...]:
    """Give every replica its sets, lowest replica first, from those that this process may use.

    CPUs that are `held` by other runs are not given.  Ranks go where their memory is, if there is a
    way in which all fit: to nodes that have it available now, where `available_bytes` tells it,
    else to nodes that have it at all.  Where there is none the pool's preference decides alone, and
    `plan.shortages` says what is short.  `confined` tells that a cgroup holds each replica.

    Raises:
        SetsUnavailable: where the sets do not suffice, with the cause.
        SpecInvalid: where there is no such pool.
    """
    pool = _pool(worker, partition)
    held = held or IdSet()
    free = fitting.free_sets(worker, machine, partition, held)
    if len(free) < worker.replicas * worker.ranks:
        raise SetsUnavailable(unavailable.sentence(worker, machine, partition, held))
    free = fitting.fitting_sets(worker, machine, partition, free, available_bytes or {})
    assignments = []
    for _ in range(worker.replicas):
        chosen = prefer(free, size=worker.ranks, machine=machine, placement=pool.placement)
        assignments.append(Assignment(chosen))
        free = [one for one in free if one not in chosen]
    reached = reach_together(assignments, machine, worker.memory, worker.memory_per_rank_bytes)
    shares = quota.shares(worker, machine)
    placements = []
    for replica, (assignment, reach) in enumerate(zip(assignments, reached, strict=True)):
        set_bytes = fitting.share_bytes(worker, machine, assignment.sets, available_bytes or {})
        seat = _Seat(replica, assignment, reach, confined, shares[replica], set_bytes)
        placements.append(_placement(worker, machine, pool, seat))
    return tuple(placements)


@dataclass(frozen=True, slots=True)
class _Seat:
    """Where a replica came to lie.

    `quota_cpus` is its share of a CPU quota, None = no quota; `set_bytes` the memory of each set.
    """

    replica: int
    assignment: Assignment
    reach: Reach
    confined: bool
    quota_cpus: int | None
    set_bytes: int


def _placement(worker: Worker, machine: Machine, pool: Pool, seat: _Seat) -> Placement:
    """Tell a replica what it would be told in a cluster, where the kubelet expands references."""
    assignment, quota_cpus = seat.assignment, seat.quota_cpus
    job = _job(worker, machine, seat)
    seen = _seen(job)
    told = engines.tell(seen)
    first = {
        **assignment.environment(),
        **seat.reach.environment(),
        **thread_variables(assignment, machine, quota_cpus),
    }
    if worker.memory_per_rank_bytes is not None:
        first[names.ENV_MEMORY_PER_RANK_BYTES] = str(worker.memory_per_rank_bytes)
    if worker.enforcement is Enforcement.BEST_EFFORT:
        first[names.ENV_ENFORCEMENT] = str(worker.enforcement)
    theirs = expansion.environment(worker.template.engine.env)
    ours = engines.variables(
        seen,
        assignment,
        machine,
        reach=seat.reach,
        confined=seat.confined,
        quota_cpus=quota_cpus,
    )
    known = {**first, **theirs}
    return Placement(
        replica=seat.replica,
        assignment=assignment,
        reach=seat.reach,
        command=tuple(expansion.expand(one, known) for one in (*job.argv, *told.arguments)),
        environment={**first, **told.variables, **ours, **theirs},
        notes=(
            *worker.template.notes,
            *told.notes,
            *_unread(job),
            *memory_notes(worker.ask),
            *seat.reach.notes,
            *fitting.pool_notes(worker, pool),
            *quota.notes(worker, machine, seen, assignment, quota_cpus),
        ),
    )


def _job(worker: Worker, machine: Machine, seat: _Seat) -> Job:
    """Make the job with the memory of the nodes that its ranks are on, or the limit below it.

    An engine counts the memory of a rank's own node, if the rank may take any of it.
    """
    own, asked = seat.assignment.mems, union(seat.reach.rank_mems)
    sizes = [machine.node(node).memory_bytes or 0 for node in own & asked or asked]
    limit = machine.limits.container_bytes
    engine = worker.template.engine
    return jobs.job(
        jobs.sized(worker.ask, engine, seat.set_bytes),
        engine,
        limit_bytes=limit if limit is not None and limit < max(sizes) else None,
        node_bytes=max(sizes),
        host_bytes=sum(sizes),
    )


def _seen(job: Job) -> Job:
    """Leave out the variables that only a cluster has values for: nobody sets them here."""
    known = {name: value for name, value in job.variables.items() if value is not None}
    return replace(job, variables=known, env_from=False)


def _unread(job: Job) -> tuple[str, ...]:
    """Say which variables of the template are not set without a cluster."""
    unknown = [printable(name) for name, value in job.variables.items() if value is None]
    told = [f"{name} is not set from its valueFrom, which only a cluster reads" for name in unknown]
    env_from = "the variables of envFrom, which only a cluster reads, are not set"
    return (*told, *((env_from,) if job.env_from else ()))


def users(worker: Worker, placements: Iterable[Placement]) -> Mapping[str, str]:
    """Tell of each set that is placed which rank has it, by the set's id."""
    return {
        one.id: f"{worker.name}-{placement.replica} rank {rank}"
        for placement in placements
        for rank, one in enumerate(placement.assignment.sets)
    }


def guests(worker: Worker, placements: Sequence[Placement]) -> Mapping[int, list[str]]:
    """Tell of each node which ranks have memory there that is not just their sets', and how."""
    found: dict[int, list[str]] = {}
    for placed in placements:
        whose, how = f"memory of {worker.name}-{placed.replica}", words.bound_here(placed.reach)
        for node, ranks in _guest_ranks(placed).items():
            found.setdefault(node, []).append(f"{whose} {words.rank_list(ranks)}{how}")
    return found


def _guest_ranks(placed: Placement) -> Mapping[int, IdSet]:
    """Give by node the ranks with memory there; pages in turn are on the nodes of all ranks."""
    reach, found = placed.reach, dict[int, IdSet]()
    for rank, one in enumerate(placed.assignment.sets):
        if reach.policy_nodes or reach.rank_mems[rank] != one.memory_nodes:
            for node in reach.policy_nodes if reach.takes_turns else reach.rank_mems[rank]:
                found[node] = found.get(node, IdSet()) | IdSet.of([rank])
    return found


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
