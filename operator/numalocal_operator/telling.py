"""Tell what a round has found and done: a worker's status, and Events beside it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from numalocal_operator.api.answers import TROUBLE, is_lasting, sentence
from numalocal_operator.api.cluster import Cluster, Raw
from numalocal_operator.observing.observed import ObservedPod
from numalocal_operator.observing.store import Store
from numalocal_operator.planning import conditions, progress
from numalocal_operator.planning import status as statuses
from numalocal_operator.planning.plan import Plan
from numalocal_operator.planning.target import Target
from numalocal_operator.planning.troubles import API_ERROR, INTERNAL_ERROR, Trouble
from numalocal_operator.remembering import forget, told
from numalocal_operator.worklist import Key

MEMORY_OVERFLOWED: Final = "MemoryOverflowed"
"""Reason of an Event, and of no condition: it is what the worker asked for."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Voice:
    """Speaks of one worker in one round; `raw` is the worker as it was when the round began."""

    cluster: Cluster
    store: Store
    key: Key
    raw: Raw
    now: datetime

    def say(
        self,
        wanted: Target,
        pods: list[ObservedPod],
        step: Plan,
        trouble: Trouble | None,
        kept: str,
    ) -> float | None:
        """Write the status; return in how many seconds it is to be looked at, None for never.

        `kept` names what is kept of the worker's spec, empty where nothing is.
        """
        left_s = progress.left_s(wanted, pods, step, self._old, self.now.timestamp())
        new = statuses.status(
            wanted, pods, step, self._old, self._stamp, trouble=trouble, overdue=left_s <= 0
        )
        new |= {"currentRevision": kept} if kept else {}
        if (wait_s := self._publish(new)) is not None:
            return wait_s
        # A spec that cannot be read has no deadline: only another one helps.
        settled = statuses.is_ready(new) or wanted.revision is None
        return None if settled or left_s <= 0 else left_s

    def fail(self, error: Exception) -> None:
        """Tell of an error that the next round may meet again."""
        if not isinstance(error, TROUBLE):
            what = f"a fault of the operator ({type(error).__name__}) keeps it from this worker"
            trouble = Trouble(INTERNAL_ERROR, f"{what}: its log has the trace")
        elif is_lasting(error):
            trouble = Trouble(API_ERROR, sentence(error))
        else:
            return  # of the moment: a busy API server needs no writes for each worker
        generation = int(self.raw["metadata"].get("generation", 0))
        self._publish(statuses.failed(trouble, generation, self._old, self._stamp))

    def tell(self, reason: str, message: str) -> None:
        """Record what was done to pods."""
        namespace, name = self.key
        fields = {"namespace": namespace, "worker": name, "reason": reason}
        _log.info("pods changed", extra={**fields, "what": message})
        self.cluster.event(self.raw, "Normal", reason, message, self._stamp)

    def _publish(self, new: Mapping[str, Any]) -> float | None:
        """Write the status where it changed, and an Event where something new is wrong.

        Return in how many seconds to come again where it was written too short a time ago.
        """
        if all(self._old.get(key) == value for key, value in new.items()):
            return None
        if (wait_s := self.store.status_wait_s(self.key)) > 0:
            return wait_s
        self.store.status_written(self.key)
        if (answer := self.cluster.patch_status(*self.key, new)) is not None:
            self.store.put_worker(answer)
            forget(self.cluster, self.raw, new.get("currentRevision", told(self.raw)))
        for kind, status in ((conditions.DEGRADED, "True"), (conditions.BOUND, "False")):
            before, wrong = (_standing(one, kind, status) for one in (self._old, new))
            if wrong is not None and (before is None or _kind(before) != _kind(wrong)):
                self._warn(wrong["reason"], wrong["message"])
        if wide := sorted(_overflowed(new).items() - _overflowed(self._old).items()):
            (pod, why), more = wide[0], len(wide) - 1
            others = f" (and {more} more pods)" if more else ""
            self._warn(MEMORY_OVERFLOWED, f"pod {pod}: {why}{others}")
        return None

    def _warn(self, reason: str, message: str) -> None:
        self.cluster.event(self.raw, "Warning", reason, message, self._stamp)

    @property
    def _old(self) -> Mapping[str, Any]:
        return self.raw.get("status") or {}

    @property
    def _stamp(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _standing(status: Mapping[str, Any], kind: str, stands: str) -> Mapping[str, Any] | None:
    """Give a condition where it says that something is wrong, None where it does not."""
    found: list[Mapping[str, Any]] = status.get("conditions") or []
    wrong = (one for one in found if one["type"] == kind)
    return next((one for one in wrong if one["status"] == stands), None)


def _overflowed(status: Mapping[str, Any]) -> Mapping[str, str]:
    """Give the pods whose memory is on more nodes than asked, and what that costs each."""
    placed: list[Mapping[str, Any]] = status.get("placements") or []
    memory = {one["pod"]: one.get("memory") or {} for one in placed}
    return {pod: one["overflow"]["message"] for pod, one in memory.items() if "overflow" in one}


def _kind(condition: Mapping[str, Any]) -> tuple[object, ...]:
    """Tell conditions apart; messages with free memory in them differ every time."""
    return condition["reason"], condition.get("observedGeneration")
