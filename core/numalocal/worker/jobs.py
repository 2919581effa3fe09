"""The job of an engine: what its adapter may know before the engine has a place."""

from dataclasses import replace

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
    sealed: bool = False,
) -> Job:
    """Make the job of the engine in a container; sizes and `sealed` are those of `Memory`."""
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
            ask=ask.memory,
            sealed=sealed,
        ),
    )


def sized(ask: Ask, container: Container, set_bytes: int | None) -> Ask:
    """Give the ranks the memory of their sets where the ask says none; `set_bytes` is of each.

    It is what they may take, and no demand.  What they share in /dev/shm counts against it, as does
    the container's own limit.  Where their KV cache would not fit, nothing is said, nor where they
    take nothing of their sets' memory: of a tier nobody knows how many share it.
    """
    if ask.memory_per_rank_bytes is not None or set_bytes is None or ask.memory.is_apart:
        return ask
    limit_bytes = container.memory_limit_bytes
    all_bytes = ask.ranks * set_bytes
    if limit_bytes is not None:
        all_bytes = min(all_bytes, limit_bytes)
    per_rank_bytes = (all_bytes - shm_bytes(ask, container)) // ask.ranks
    if per_rank_bytes <= (ask.engine.kv_cache_bytes or 0):
        return ask
    return replace(ask, memory_per_rank_bytes=per_rank_bytes)


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
