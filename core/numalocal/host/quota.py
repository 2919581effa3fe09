"""How many compute threads a CPU quota leaves to each replica, and what to say of it."""

from collections.abc import Iterator, Sequence

from numalocal import engines
from numalocal.engines import Job
from numalocal.host import unavailable
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment
from numalocal.worker.spec import Worker


def shares(worker: Worker, machine: Machine) -> Sequence[int | None]:
    """Share the whole CPUs of a quota out over the replicas, in their order; None = no quota."""
    quota = machine.limits.cpu
    if quota is None or not worker.replicas:
        return [None] * worker.replicas
    each, more = divmod(quota.whole_cpus, worker.replicas)
    return [max(1, each + (replica < more)) for replica in range(worker.replicas)]


def notes(
    worker: Worker, machine: Machine, job: Job, assignment: Assignment, quota_cpus: int | None
) -> Iterator[str]:
    """Say which compute threads a quota costs a replica, and which cores cannot be reserved."""
    free = engines.compute_cpus(job, assignment, machine)
    quota, ranks = machine.limits.cpu, worker.replicas * worker.ranks
    fewer = unavailable.lower(worker)
    if quota and quota.quota_us < quota.period_us * ranks:
        yield (
            f"the CPU quota of {quota} in {quota.path} is less than a CPU for each of {ranks} "
            "ranks: each keeps a compute thread, and all stand still for a part of every period; "
            f"raise the quota{fewer and f', or {fewer}'}"
        )
    elif quota and quota_cpus is not None:
        bound = engines.compute_cpus(job, assignment, machine, quota_cpus)
        before, after = (sum(map(len, lists)) for lists in (free, bound))
        if after < before:
            yield (
                f"the CPU quota of {quota} in {quota.path} leaves {after} of {before} compute "
                "threads to a replica: with more all would stand still for a part of every period"
            )
    cores = sum(len(machine.cores_of_cpus(one.cpus)) for one in assignment.sets)
    reserved = job.settings.reserved_cores or 0
    if reserved > cores - worker.ranks:
        yield (
            f"spec.engine.reservedCores is {reserved}, and the sets of a replica have {cores} "
            "cores: each rank computes on one all the same"
        )
