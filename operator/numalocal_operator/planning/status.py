"""A worker's status: target + observed pods + plan -> the status subresource."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from numalocal.problems import clipped
from numalocal_operator.observing.observed import ObservedPod
from numalocal_operator.planning import conditions
from numalocal_operator.planning.placements import placement
from numalocal_operator.planning.plan import Plan
from numalocal_operator.planning.pod import selector
from numalocal_operator.planning.target import Target
from numalocal_operator.planning.troubles import Trouble

MOST_PLACEMENTS: Final = 1000
"""A status must fit into an object, whatever the replicas: etcd takes 1.5 MiB."""
MOST_NOTES: Final = 100
MAX_NOTE: Final = 1024

Status = dict[str, Any]


def status(
    target: Target,
    pods: Sequence[ObservedPod],
    plan: Plan,
    old: Mapping[str, Any],
    now: str,
    *,
    trouble: Trouble | None = None,
    overdue: bool = False,
) -> Status:
    """Give the whole status.

    `old` is the status there is: a condition keeps its transition time while it says the same.
    `now` is a timestamp as Kubernetes writes it.  `trouble` is what the API server refused;
    `overdue` tells that the worker has made no progress for too long.
    """
    ours = sorted(
        (pod for pod in pods if pod.owner_uid == target.uid), key=lambda pod: pod.replica or 0
    )
    live = [pod for pod in ours if not pod.terminal]
    ready = sum(pod.ready for pod in live)
    placements = [placed for placed in map(placement, live) if placed is not None]
    verified = sum(placed["verified"] for placed in placements)
    notes = dict.fromkeys(clipped(note, MAX_NOTE) for pod in live for note in pod.notes)
    verdicts = conditions.verdicts(target, ours, plan, trouble, overdue=overdue)
    return {
        "observedGeneration": target.generation,
        "replicas": len(live),
        "readyReplicas": ready,
        "updatedReplicas": sum(pod.revision == target.revision for pod in live),
        "columns": {
            "ready": f"{ready}/{target.replicas}",
            "verified": f"{verified}/{target.replicas}",
        },
        "selector": ",".join(f"{key}={value}" for key, value in selector(target.name).items()),
        "placements": placements[:MOST_PLACEMENTS],
        "notes": list(notes)[:MOST_NOTES],
        "conditions": conditions.stamped(verdicts, old, now, target.generation),
    }


def failed(trouble: Trouble, generation: int, old: Mapping[str, Any], now: str) -> Status:
    """Give the change of status of a worker whose pods could not be looked at.

    What was known of it stays.
    """
    verdicts = conditions.faulty(*trouble)
    kept = [one for one in old.get("conditions") or () if one["type"] == conditions.AVAILABLE]
    told = conditions.stamped(verdicts, old, now, generation)
    return {"observedGeneration": generation, "conditions": [*told, *kept]}


def is_ready(status: Mapping[str, Any]) -> bool:
    """Tell whether a worker is as its spec wants it."""
    found = (one for one in status["conditions"] if one["type"] == conditions.READY)
    return any(one["status"] == "True" for one in found)
