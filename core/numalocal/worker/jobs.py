"""The job of an engine: what its adapter may know before the engine has a place."""

from numalocal import engines
from numalocal.engines import Job, Memory
from numalocal.worker.ask import Ask
from numalocal.worker.containers import Container


def job(
    ask: Ask,
    container: Container,
    *,
    limit_bytes: int | None = None,
    node_bytes: int | None = None,
    host_bytes: int | None = None,
) -> Job:
    """Make the job of the engine in a container; the sizes are those of `Memory`."""
    return Job(
        settings=ask.engine,
        ranks=ask.ranks,
        command=container.command,
        args=container.args,
        variables=container.variables,
        env_from=container.env_from,
        image=container.image,
        memory=Memory(
            per_rank_bytes=ask.memory_per_rank_bytes,
            limit_bytes=limit_bytes,
            node_bytes=node_bytes,
            host_bytes=host_bytes,
        ),
    )


def memory_limit_bytes(ask: Ask, container: Container) -> int | None:
    """Give the memory limit of an engine: its own, else what its ranks need; None = none.

    What ranks share in /dev/shm counts against it.  A limit below the user's own request would be
    refused.
    """
    if container.memory_limit_bytes is not None:
        return container.memory_limit_bytes
    if ask.memory_bytes is None:
        return None
    return max(container.memory_request_bytes or 0, ask.memory_bytes + shm_bytes(ask, container))


def shm_bytes(ask: Ask, container: Container) -> int:
    """Give what the ranks need in /dev/shm; 0 where the container mounts its own."""
    if "/dev/shm" in container.mounts:
        return 0
    return engines.adapter(ask.engine.name).shm_bytes_per_rank * ask.ranks
