"""One round for one worker: observe, plan, apply."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from numalocal.errors import SpecInvalid
from numalocal.worker.inject import PoolNumbers
from numalocal.worker.spec import Worker, parse_worker
from numalocal_operator import status as statuses
from numalocal_operator.cluster import TROUBLE, Cluster, PodRefused, Raw
from numalocal_operator.config import Config
from numalocal_operator.observed import observe, started_unbound
from numalocal_operator.plan import Creation, Plan, plan
from numalocal_operator.pod import manifest, pod_name
from numalocal_operator.topologies import Topologies

REFUSED_RETRY_S: Final = 60.0
"""How often to try a pod that the API server refuses: a quota may be raised without an event."""
TAKEN_RETRY_S: Final = 5.0
"""When to look again after a conflict: that of two writes of a quota has no event of ours."""

# Reasons of Events; those of a degraded worker are its condition's.
POD_CREATED: Final = "PodCreated"
POD_REPLACED: Final = "PodReplaced"
POD_DELETED: Final = "PodDeleted"

_log = logging.getLogger(__name__)


def reconcile(
    cluster: Cluster,
    config: Config,
    topologies: Topologies,
    key: tuple[str, str],
    now: datetime | None = None,
) -> float | None:
    """Bring a worker one step further; return after how many seconds to look again, if at all.

    `key` is its namespace and name.
    The events of what the step changes bring the next round.  A worker that is gone or going needs
    nothing: its pods have it as owner, and the garbage collector removes them.  What nobody foresaw
    is raised, and told in the status as well.
    """
    raw = cluster.worker(*key)
    if raw is None or "deletionTimestamp" in raw["metadata"]:
        return None
    one = _Round(cluster, config, topologies, raw, now or datetime.now(UTC))
    try:
        return one.run()
    except TROUBLE:
        raise
    except Exception as error:
        with suppress(*TROUBLE):
            one.fail(error)
        raise


@dataclass(frozen=True, slots=True)
class _Round:
    """What one round works with; `raw` is the worker as the API server gives it."""

    cluster: Cluster
    config: Config
    topologies: Topologies
    raw: Raw
    now: datetime

    def run(self) -> float | None:
        old = self.raw.get("status") or {}
        try:
            worker = parse_worker(self.raw)
        except SpecInvalid as error:
            # Pods of the last good spec stay: a typing error must not stop what serves.
            self._publish(statuses.invalid(error, self._generation, old, self._timestamp()))
            return None
        wanted = [pod_name(worker, replica) for replica in range(worker.replicas)]
        found = self.cluster.pods(worker.namespace, worker.name, wanted)
        pods = [observe(pod, self.topologies.started) for pod in found]
        step = plan(worker, pods, self.now.timestamp())
        refusals, retry_s = self._apply(worker, step)
        stamp = self._timestamp()
        self._publish(statuses.status(worker, pods, step, old, stamp, refusals=refusals))
        waits = [wait_s for wait_s in (step.requeue_after_s, retry_s) if wait_s is not None]
        return min(waits, default=None)

    def fail(self, error: Exception) -> None:
        """Tell of an error that is our own."""
        old = self.raw.get("status") or {}
        self._publish(statuses.failed(error, self._generation, old, self._timestamp()))

    @property
    def _generation(self) -> int:
        return int(self.raw["metadata"].get("generation", 0))

    def _apply(self, worker: Worker, step: Plan) -> tuple[tuple[str, ...], float | None]:
        """Carry out a step.

        Return a sentence for every pod that the API server refuses, and after how many seconds to
        try again what was not created, None where all was.
        """
        for pod in step.delete:
            self.cluster.delete_pod(worker.namespace, pod.name, pod.uid)
            why = f": {started_unbound(pod)}" if pod.started is False else ""
            self._tell(POD_DELETED, f"deleted pod {pod.name}{why}")
        if not step.create:
            return (), None
        refusals: list[str] = []
        waits: list[float] = []
        numbers = (self.topologies.pools() or {}).get(worker.pool, PoolNumbers())
        for creation in step.create:
            try:
                if not self._create(worker, creation, numbers):
                    waits.append(TAKEN_RETRY_S)
            except PodRefused as error:
                refusals.append(f"pod {pod_name(worker, creation.replica)}: {error}")
                waits.append(REFUSED_RETRY_S)
        return tuple(refusals), min(waits, default=None)

    def _create(self, worker: Worker, creation: Creation, numbers: PoolNumbers) -> bool:
        """Create a replica's pod; False where the API server speaks of a conflict."""
        old, attempt = creation.replaces, creation.attempt
        if old is not None:
            self.cluster.delete_pod(worker.namespace, old.name, old.uid, terminal=True)
        replica = creation.replica
        pod = manifest(worker, replica, numbers=numbers, attempt=attempt, config=self.config)
        name = pod["metadata"]["name"]
        if not self.cluster.create_pod(pod):
            _log.info("pod name taken", extra={"worker": worker.name, "pod": name})
            return False
        if old is None:
            self._tell(POD_CREATED, f"created pod {name}")
        else:
            self._tell(POD_REPLACED, f"replaced pod {name}, attempt {attempt}: {old.failure}")
        return True

    def _publish(self, new: Mapping[str, Any]) -> None:
        """Write the status where it changed, and an Event where something new is wrong."""
        old = self.raw.get("status") or {}
        if all(old.get(key) == value for key, value in new.items()):
            return
        metadata = self.raw["metadata"]
        self.cluster.patch_status(metadata["namespace"], metadata["name"], new)
        before, wrong = _degraded(old), _degraded(new)
        if wrong is not None and (before is None or _kind(before) != _kind(wrong)):
            reason, message = wrong["reason"], wrong["message"]
            self.cluster.event(self.raw, "Warning", reason, message, self._timestamp())

    def _tell(self, reason: str, message: str) -> None:
        metadata = self.raw["metadata"]
        fields = {"namespace": metadata["namespace"], "worker": metadata["name"], "reason": reason}
        _log.info("pods changed", extra={**fields, "what": message})
        self.cluster.event(self.raw, "Normal", reason, message, self._timestamp())

    def _timestamp(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _degraded(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Give the condition of a degraded status, None where it is none."""
    conditions: list[Mapping[str, Any]] = status.get("conditions") or []
    wrong = (one for one in conditions if one["type"] == statuses.DEGRADED)
    return next((one for one in wrong if one["status"] == "True"), None)


def _kind(condition: Mapping[str, Any]) -> tuple[object, ...]:
    """Tell conditions apart; messages with free memory in them differ every time."""
    return condition["reason"], condition.get("observedGeneration")
