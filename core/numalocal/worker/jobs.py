"""The job of a worker's engine: what its adapter may know before the worker has a place."""

from numalocal import engines
from numalocal.engines import Job, Memory
from numalocal.worker.spec import Worker


def job(
    worker: Worker,
    *,
    limit_bytes: int | None = None,
    node_bytes: int | None = None,
    host_bytes: int | None = None,
) -> Job:
    """Make a worker's job; the sizes are those of `Memory`."""
    container = worker.template.engine
    return Job(
        settings=worker.engine,
        ranks=worker.ranks,
        command=container.command,
        args=container.args,
        variables=container.variables,
        envfrom=container.env_from,
        image=container.image,
        memory=Memory(
            per_rank_bytes=worker.memory_per_rank_bytes,
            limit_bytes=limit_bytes,
            node_bytes=node_bytes,
            host_bytes=host_bytes,
        ),
    )


def memory_limit_bytes(worker: Worker) -> int | None:
    """Give the memory limit of a replica: the template's, else what its ranks need; None = none.

    What ranks share in /dev/shm counts against it.  A limit below the user's own request would be
    refused.
    """
    container = worker.template.engine
    if container.memory_limit_bytes is not None:
        return container.memory_limit_bytes
    if worker.memory_bytes is None:
        return None
    return max(container.memory_request_bytes or 0, worker.memory_bytes + shm_bytes(worker))


def shm_bytes(worker: Worker) -> int:
    """Give what the ranks of a replica need in /dev/shm; 0 where the template mounts its own."""
    if "/dev/shm" in worker.template.engine.mounts:
        return 0
    return engines.adapter(worker.engine.name).shm_bytes_per_rank * worker.ranks
