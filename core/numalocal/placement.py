"""Place a worker's replicas on this machine: worker + machine + pools -> Placements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numalocal import engine, names
from numalocal.assignment import Assignment
from numalocal.errors import SpecInvalid
from numalocal.idset import IdSet
from numalocal.machine import Machine
from numalocal.partition import Partition
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


def place(
    worker: Worker, machine: Machine, partition: Partition, allowed: IdSet
) -> tuple[Placement, ...]:
    """Give every replica its sets, lowest replica first, from those within the allowed CPUs.

    Raises:
        SetsUnavailable: where the sets do not suffice.
        SpecInvalid: where the engine's container names no command.
    """
    container = _engine_container(worker)
    command = _command(container)
    theirs = _variables(container)
    free = [one for one in partition.of_pool(worker.pool) if one.cpus <= allowed]
    placements = []
    for replica in range(worker.replicas):
        assignment = Assignment(prefer(free, size=worker.ranks, machine=machine))
        free = [one for one in free if one not in assignment.sets]
        ours = dict(engine.environment(worker.engine, assignment, machine))
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


def _engine_container(worker: Worker) -> Mapping[str, Any]:
    containers: Sequence[Mapping[str, Any]] = worker.template["spec"]["containers"]
    return next(one for one in containers if one.get("name") == worker.engine_container)


def _command(container: Mapping[str, Any]) -> tuple[str, ...]:
    if command := container.get("command"):
        return (*command, *container.get("args", ()))
    path = f"spec.template.spec.containers[{container.get('name')}].command"
    message = "must be given to run without a cluster: there is no image whose entry point to use"
    raise SpecInvalid([Problem(path, container.get("command"), message)])


def _variables(container: Mapping[str, Any]) -> dict[str, str]:
    """Take the plain variables; references to cluster objects mean nothing here."""
    return {one["name"]: str(one["value"]) for one in container.get("env", ()) if "value" in one}
