"""How long a worker may still do without progress before it counts as stalled."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from numalocal_operator.observing.observed import ObservedPod
from numalocal_operator.planning.plan import Plan
from numalocal_operator.planning.target import Target


def left_s(
    target: Target,
    pods: Sequence[ObservedPod],
    plan: Plan,
    old: Mapping[str, Any],
    now_s: float,
) -> float:
    """Give the seconds until the deadline; 0 or less where it is over.

    Progress is a pod that is made, given up for a new one or has become ready, and a new spec.
    A pod that is made again after a failure is none.
    """
    if plan.delete or any(not one.attempt for one in plan.create):
        return target.deadline_s
    made = [pod.created_at_s for pod in pods if not pod.attempt and pod.owner_uid == target.uid]
    ready = [pod.ready_at_s for pod in pods if pod.owner_uid == target.uid]
    latest = max([_since_s(target, old, now_s), *made, *ready])
    return min(latest, now_s) + target.deadline_s - now_s


def _since_s(target: Target, old: Mapping[str, Any], now_s: float) -> float:
    """Give since when the worker has been on its way; what is stalled stays so by itself."""
    conditions = {one["type"]: one for one in old.get("conditions") or ()}
    reconciling, stalled = conditions.get("Reconciling", {}), conditions.get("Stalled", {})
    if reconciling.get("status") == "True":
        return datetime.fromisoformat(reconciling["lastTransitionTime"]).timestamp()
    stays = stalled.get("observedGeneration") == target.generation
    return 0.0 if stalled.get("status") == "True" and stays else now_s
