"""One round for one worker: observe, plan, apply."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from numalocal.errors import SpecInvalid
from numalocal.worker import Worker, parse_worker
from numalocal_operator import status as statuses
from numalocal_operator.cluster import Cluster, Raw
from numalocal_operator.config import Config
from numalocal_operator.observed import observe
from numalocal_operator.plan import Plan, plan
from numalocal_operator.pod import manifest, pod_name

_log = logging.getLogger(__name__)


def reconcile(
    cluster: Cluster, config: Config, namespace: str, name: str, now: datetime | None = None
) -> float | None:
    """Bring a worker one step further; return after how many seconds to look again, if at all.

    The events of what the step changes bring the next round.  A worker that is gone or going needs
    nothing: its pods have it as owner, and the garbage collector removes them.
    """
    now = now or datetime.now(UTC)
    raw = cluster.worker(namespace, name)
    if raw is None or "deletionTimestamp" in raw["metadata"]:
        return None
    try:
        worker = parse_worker(raw)
    except SpecInvalid as error:
        # Pods of the last good spec stay: a typing error must not stop what serves.
        generation = raw["metadata"].get("generation", 0)
        new = statuses.invalid(error, generation, raw.get("status") or {}, _timestamp(now))
        _publish(cluster, raw, new, _timestamp(now))
        return None
    wanted = [pod_name(worker, replica) for replica in range(worker.replicas)]
    pods = [observe(pod) for pod in cluster.pods(namespace, name, wanted)]
    step = plan(worker, pods, now.timestamp())
    refusals = _apply(cluster, config, worker, step, partial(cluster.event, raw, now=stamp))
    outlook = statuses.Outlook(worker=worker, pods=pods, plan=step, refusals=refusals)
    _publish(cluster, raw, statuses.status(outlook, raw.get("status") or {}, stamp), stamp)
    return REFUSED_RETRY_S if refusals else step.requeue_after_s


def _apply(cluster: Cluster, config: Config, worker: Worker, step: Plan) -> None:
    for name in step.delete:
        cluster.delete_pod(worker.namespace, name)
        _log.info("pod deleted", extra={"worker": worker.name, "pod": name})
    if not step.create:
        return
    cpus_per_set = cluster.cpus_per_set(worker.pool)
    for creation in step.create:
        name = pod_name(worker, creation.replica)
        if creation.replaces:
            cluster.delete_pod(worker.namespace, name, terminal=True)
        pod = manifest(
            worker,
            creation.replica,
            cpus_per_set=cpus_per_set,
            attempt=creation.attempt,
            config=config,
        )
        created = cluster.create_pod(pod)
        _log.info(
            "pod created" if created else "pod name taken",
            extra={"worker": worker.name, "pod": name, "attempt": creation.attempt},
        )


def _publish(cluster: Cluster, raw: Raw, new: Mapping[str, Any], now: str) -> None:
    """Write the status where it changed, and an Event where it began to be degraded."""
    old = raw.get("status") or {}
    if all(old.get(key) == value for key, value in new.items()):
        return
    metadata = raw["metadata"]
    cluster.patch_status(metadata["namespace"], metadata["name"], new)
    wrong = _degraded(new)
    if wrong is not None and wrong != _degraded(old):
        cluster.event(raw, "Warning", *wrong, now)


def _degraded(status: Mapping[str, Any]) -> tuple[str, str] | None:
    """Give reason and message of a degraded status, None where it is none."""
    conditions: Sequence[Mapping[str, Any]] = status.get("conditions") or ()
    for one in conditions:
        if one["type"] == statuses.DEGRADED and one["status"] == "True":
            return one["reason"], one["message"]
    return None


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
