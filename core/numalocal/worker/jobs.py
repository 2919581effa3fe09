"""The job of a worker's engine: what its adapter may know before the worker has a place."""

from collections.abc import Mapping, Sequence
from typing import Any

from numalocal import engines
from numalocal.engines import Job, Memory
from numalocal.quantity import parse_bytes
from numalocal.worker.spec import Worker


def job(
    worker: Worker,
    *,
    limit_bytes: int | None = None,
    node_bytes: int | None = None,
    host_bytes: int | None = None,
) -> Job:
    """Make a worker's job; the sizes are those of `Memory`."""
    container = engine_container(worker)
    return Job(
        settings=worker.engine,
        ranks=worker.ranks,
        command=tuple(container.get("command") or ()),
        args=tuple(container.get("args") or ()),
        variables={str(one.get("name")): _value(one) for one in container.get("env") or ()},
        envfrom=bool(container.get("envFrom")),
        image=str(container.get("image") or ""),
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
    resources = engine_container(worker).get("resources") or {}
    if (own := _bytes(resources, "limits")) is not None:
        return own
    if worker.memory_bytes is None:
        return None
    return max(_bytes(resources, "requests") or 0, worker.memory_bytes + shm_bytes(worker))


def shm_bytes(worker: Worker) -> int:
    """Give what the ranks of a replica need in /dev/shm; 0 where the template mounts its own."""
    mounts: Sequence[Mapping[str, Any]] = engine_container(worker).get("volumeMounts") or ()
    if any(mount.get("mountPath") == "/dev/shm" for mount in mounts):
        return 0
    return engines.adapter(worker.engine.name).shm_bytes_per_rank * worker.ranks


def engine_container(worker: Worker) -> Mapping[str, Any]:
    """Find the container that gets the CPU sets."""
    containers: Sequence[Mapping[str, Any]] = worker.template["spec"]["containers"]
    return next(one for one in containers if one.get("name") == worker.engine_container)


def _value(entry: Mapping[str, Any]) -> str | None:
    """Read a variable's value; None where it comes from elsewhere."""
    if entry.get("valueFrom") is not None:
        return None
    return "" if entry.get("value") is None else str(entry["value"])


def _bytes(resources: Mapping[str, Any], kind: str) -> int | None:
    """Read an amount of memory; one that is none is the API server's to refuse."""
    try:
        return parse_bytes(str((resources.get(kind) or {}).get("memory")))
    except ValueError:
        return None
