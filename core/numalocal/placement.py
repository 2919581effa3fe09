"""Place a worker's replicas on this machine: worker + machine + pools -> Placements."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numalocal import engine, names
from numalocal.assignment import Assignment
from numalocal.errors import SpecInvalid
from numalocal.machine import Machine
from numalocal.partition import Partition
from numalocal.pools import Pool
from numalocal.preference import prefer
from numalocal.problems import Problem
from numalocal.worker import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One replica: what it gets, what it runs and what it is told.

    `environment` holds only what the placement adds; the engine sees it on top of ours and below
    the variables that the template sets itself.
    """

    replica: int
    assignment: Assignment
    command: tuple[str, ...]
    environment: Mapping[str, str]


def place(worker: Worker, machine: Machine, partition: Partition) -> tuple[Placement, ...]:
    """Give every replica its sets, lowest replica first, from those that this process may use.

    Raises:
        SetsUnavailable: where the sets do not suffice.
        SpecInvalid: where there is no such pool.
    """
    container = _engine_container(worker)
    command = (*container.get("command", ()), *container.get("args", ()))
    theirs = _variables(container)
    settings = replace(worker.engine, kv_transfer=engine.transfers_kv(command))
    pool = _pool(worker, partition)
    free = [
        one
        for one in partition.of_pool(pool.name)
        if one.cpus <= machine.allowed and one.numa_node in machine.allowed_nodes
    ]
    placements = []
    for replica in range(worker.replicas):
        chosen = prefer(free, size=worker.ranks, machine=machine, placement=pool.placement)
        assignment = Assignment(chosen)
        free = [one for one in free if one not in assignment.sets]
        ours = dict(engine.environment(settings, assignment, machine))
        if worker.memory_per_rank_bytes is not None:
            ours[names.ENV_MEMORY_PER_RANK_BYTES] = str(worker.memory_per_rank_bytes)
        placements.append(
            Placement(
                replica=replica,
                assignment=assignment,
                command=command,
                environment={**engine.additions(ours, theirs), **theirs},
            )
        )
    return tuple(placements)


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
    container = _engine_container(worker)
    if not container.get("command"):
        path = f"spec.template.spec.containers[{container.get('name')}].command"
        message = "must be given to run without a cluster: there is no image with an entry point"
        raise SpecInvalid([Problem(path, container.get("command"), message)])


def _pool(worker: Worker, partition: Partition) -> Pool:
    try:
        return partition.pool(worker.pool)
    except KeyError:
        known = ", ".join(pool.name for pool in partition.pools)
        message = f"is not a pool of this machine; known: {known}"
        raise SpecInvalid([Problem("spec.pool", worker.pool, message)]) from None


def _engine_container(worker: Worker) -> Mapping[str, Any]:
    containers: Sequence[Mapping[str, Any]] = worker.template["spec"]["containers"]
    return next(one for one in containers if one.get("name") == worker.engine_container)


def _variables(container: Mapping[str, Any]) -> dict[str, str]:
    """Take the plain variables; references to cluster objects mean nothing here."""
    return {one["name"]: str(one["value"]) for one in container.get("env", ()) if "value" in one}
