"""One round for one worker: observe, plan, apply."""

import logging
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from numalocal.errors import SpecInvalid
from numalocal.worker.inject import Manifest, PoolNumbers
from numalocal.worker.spec import Worker, parse_worker
from numalocal_operator.api.cluster import TROUBLE, Cluster, Raw, is_lasting, sentence
from numalocal_operator.applying import Make, carry_out
from numalocal_operator.config import Config
from numalocal_operator.observing.observed import ObservedPod, observe
from numalocal_operator.observing.topologies import Topologies
from numalocal_operator.planning import conditions, progress
from numalocal_operator.planning import status as statuses
from numalocal_operator.planning.plan import Creation, Plan, plan
from numalocal_operator.planning.pod import manifest, pod_name, successor_name
from numalocal_operator.planning.target import Target, target, unread
from numalocal_operator.planning.troubles import API_ERROR, INTERNAL_ERROR, Trouble
from numalocal_operator.worklist import Key

LastGood = MutableMapping[Key, Worker]
"""What workers asked when their spec was last read, by namespace and name."""

_log = logging.getLogger(__name__)


def reconcile(
    cluster: Cluster,
    config: Config,
    topologies: Topologies,
    key: Key,
    last_good: LastGood,
    *,
    now: datetime | None = None,
) -> float | None:
    """Bring a worker one step further; return after how many seconds to look again, if at all.

    `key` is its namespace and name.  What it asks is kept in `last_good`, for when its spec is made
    one that cannot be read.
    The events of what the step changes bring the next round.  A worker that is gone or going needs
    nothing: its pods have it as owner, and the garbage collector removes them.  What nobody foresaw
    is raised, and told in the status as well.
    """
    raw = cluster.worker(*key)
    if raw is None or "deletionTimestamp" in raw["metadata"]:
        last_good.pop(key, None)
        return None
    one = _Round(cluster, config, topologies, raw, now or datetime.now(UTC))
    try:
        again_s, refused = one.run(key, last_good)
    except Exception as error:
        with suppress(*TROUBLE):
            one.fail(error)
        raise
    if refused is not None:
        raise refused
    return again_s


@dataclass(frozen=True, slots=True)
class _Round:
    """What one round works with; `raw` is the worker as the API server gives it."""

    cluster: Cluster
    config: Config
    topologies: Topologies
    raw: Raw
    now: datetime

    def run(self, key: Key, last_good: LastGood) -> tuple[float | None, Exception | None]:
        """Return after how many seconds to look again, and what was told and is to be raised."""
        try:
            worker = last_good[key] = parse_worker(self.raw)
        except SpecInvalid as error:
            known = last_good.get(key)
            if known is None or known.uid != self.raw["metadata"]["uid"]:
                self._say(unread(self.raw, error), self._pods(()), Plan(), None)
                return None, None
            # A typing error must not stop what serves: pods go on as they were asked last.
            worker = replace(known, paused=True)
            wanted = replace(target(worker), generation=self._generation, problem=str(error))
        else:
            wanted = target(worker)
        pods = self._and_hidden(worker, self._pods(_base_names(worker)))
        step = plan(worker, pods, self.now.timestamp())
        done = carry_out(self.cluster, worker, step, self._maker(worker), self._tell)
        left_s = self._say(wanted, pods, step, done.trouble)
        waits = (step.requeue_after_s, done.retry_s, left_s)
        return min((wait_s for wait_s in waits if wait_s is not None), default=None), done.error

    def _maker(self, worker: Worker) -> Make:
        numbers = (self.topologies.pools() or {}).get(worker.pool, PoolNumbers())

        def make(creation: Creation) -> Manifest:
            return manifest(
                worker,
                creation.replica,
                numbers=numbers,
                attempt=creation.attempt,
                config=self.config,
                name=creation.name,
            )

        return make

    def fail(self, error: Exception) -> None:
        """Tell of an error that the next round may meet again."""
        if not isinstance(error, TROUBLE):
            what = f"a fault of the operator ({type(error).__name__}) keeps it from this worker"
            trouble = Trouble(INTERNAL_ERROR, f"{what}: its log has the trace")
        elif is_lasting(error):
            trouble = Trouble(API_ERROR, sentence(error))
        else:
            return  # of the moment: a busy API server needs no writes for each worker
        stamp = self._timestamp()
        self._publish(statuses.failed(trouble, self._generation, self._old, stamp))

    @property
    def _generation(self) -> int:
        return int(self.raw["metadata"].get("generation", 0))

    @property
    def _old(self) -> Mapping[str, Any]:
        return self.raw.get("status") or {}

    def _pods(self, wanted: Sequence[str]) -> list[ObservedPod]:
        """Observe the worker's pods, and what else has a wanted name."""
        metadata = self.raw["metadata"]
        found = self.cluster.pods(metadata["namespace"], metadata["name"], wanted)
        return [observe(pod, self.topologies.started) for pod in found]

    def _and_hidden(self, worker: Worker, pods: Sequence[ObservedPod]) -> list[ObservedPod]:
        """Add the pods that took another's place and have lost their label since: no list has them.

        Else their names would be tried again and again.
        """
        found = {pod.name: pod for pod in pods}
        for replica, base in enumerate(_base_names(worker)):
            name = base
            while (other := found.get(name)) and self._is_passed_by(other):
                name = successor_name(worker, replica, other.uid)
                raw = None if name in found else self.cluster.pod(worker.namespace, name)
                if raw is not None:
                    found[name] = observe(raw, self.topologies.started)
        return list(found.values())

    def _is_passed_by(self, pod: ObservedPod) -> bool:
        over = pod.deleting and pod.deleted_at_s < self.now.timestamp()
        return pod.released or over

    def _say(
        self, wanted: Target, pods: Sequence[ObservedPod], step: Plan, trouble: Trouble | None
    ) -> float | None:
        """Write the status; return in how many seconds its deadline is over, None without one."""
        left_s = progress.left_s(wanted, pods, step, self._old, self.now.timestamp())
        new = statuses.status(
            wanted,
            pods,
            step,
            self._old,
            self._timestamp(),
            trouble=trouble,
            overdue=left_s <= 0,
        )
        self._publish(new)
        return None if statuses.is_ready(new) or left_s <= 0 else left_s

    def _publish(self, new: Mapping[str, Any]) -> None:
        """Write the status where it changed, and an Event where something new is wrong."""
        if all(self._old.get(key) == value for key, value in new.items()):
            return
        metadata = self.raw["metadata"]
        self.cluster.patch_status(metadata["namespace"], metadata["name"], new)
        before, wrong = _degraded(self._old), _degraded(new)
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


def _base_names(worker: Worker) -> list[str]:
    return [pod_name(worker, replica) for replica in range(worker.replicas)]


def _degraded(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Give the condition of a degraded status, None where it is none."""
    found: list[Mapping[str, Any]] = status.get("conditions") or []
    wrong = (one for one in found if one["type"] == conditions.DEGRADED)
    return next((one for one in wrong if one["status"] == "True"), None)


def _kind(condition: Mapping[str, Any]) -> tuple[object, ...]:
    """Tell conditions apart; messages with free memory in them differ every time."""
    return condition["reason"], condition.get("observedGeneration")
