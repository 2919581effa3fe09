"""A worker's status: worker + observed pods + plan -> the status subresource."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from numalocal.errors import ReportInvalid, SpecInvalid
from numalocal.report import CheckReport
from numalocal.worker.spec import Worker
from numalocal_operator.observed import STARTED_UNBOUND, ObservedPod, started_unbound, unverified
from numalocal_operator.plan import Plan
from numalocal_operator.pod import revision, selector

Status = dict[str, Any]
Verdict = tuple[bool, str, str]
"""A condition's status, reason and message."""

AVAILABLE: Final = "Available"
PROGRESSING: Final = "Progressing"
DEGRADED: Final = "Degraded"

# Reasons, for people and their alerts.
REPLICAS_READY: Final = "ReplicasReady"
REPLICAS_NOT_READY: Final = "ReplicasNotReady"
SETTLED: Final = "Settled"
STARTING: Final = "Starting"
UNSCHEDULABLE: Final = "Unschedulable"
UPDATING: Final = "Updating"
STOPPING: Final = "Stopping"
AS_PLANNED: Final = "AsPlanned"
CHECK_REFUSED: Final = "CheckRefused"
POD_REFUSED: Final = "PodRefused"
REPORT_UNREADABLE: Final = "ReportUnreadable"
REPLICA_FAILED: Final = "ReplicaFailed"
CONTAINER_WAITING: Final = "ContainerWaiting"
NAME_TAKEN: Final = "NameTaken"
INVALID_SPEC: Final = "InvalidSpec"
INTERNAL_ERROR: Final = "InternalError"

MAX_MESSAGE: Final = 32768
"""Characters that the CRD allows a condition's message."""


def status(
    worker: Worker,
    pods: Sequence[ObservedPod],
    plan: Plan,
    old: Mapping[str, Any],
    now: str,
    *,
    refusals: Sequence[str] = (),
) -> Status:
    """Give the whole status.

    `old` is the status there is: a condition keeps its transition time while it says the same.
    `now` is a timestamp as Kubernetes writes it.  `refusals` are sentences on pods that the API
    server refuses.
    """
    ours = sorted(
        (pod for pod in pods if pod.owner_uid == worker.uid and not pod.terminal),
        key=lambda pod: pod.replica or 0,
    )
    ready = sum(pod.ready for pod in ours)
    verdicts = {
        AVAILABLE: _available(worker, ready),
        PROGRESSING: _progressing(worker, ours),
        DEGRADED: _degraded(worker, pods, plan, refusals),
    }
    return {
        "observedGeneration": worker.generation,
        "replicas": len(ours),
        "readyReplicas": ready,
        "updatedReplicas": sum(pod.revision == revision(worker) for pod in ours),
        "selector": ",".join(f"{key}={value}" for key, value in selector(worker).items()),
        "placements": [placed for pod in ours for placed in _placement(pod)],
        "notes": list(dict.fromkeys(note for pod in ours for note in pod.notes)),
        "conditions": _conditions(verdicts, old, now, worker.generation),
    }


def invalid(error: SpecInvalid, generation: int, old: Mapping[str, Any], now: str) -> Status:
    """Give the change of status that tells all problems of a spec; the rest stays as it is."""
    return _only_degraded(INVALID_SPEC, str(error), generation, old, now)


def failed(error: Exception, generation: int, old: Mapping[str, Any], now: str) -> Status:
    """Give the change of status that tells of a fault of the operator's own."""
    kind = type(error).__name__
    message = f"a fault of the operator ({kind}) keeps it from this worker: its log has the trace"
    return _only_degraded(INTERNAL_ERROR, message, generation, old, now)


def _only_degraded(
    reason: str, message: str, generation: int, old: Mapping[str, Any], now: str
) -> Status:
    kept = [one for one in old.get("conditions") or () if one["type"] != DEGRADED]
    verdicts = {DEGRADED: (True, reason, message)}
    return {
        "observedGeneration": generation,
        "conditions": [*kept, *_conditions(verdicts, old, now, generation)],
    }


def _available(worker: Worker, ready: int) -> Verdict:
    message = f"{ready} of {worker.replicas} replicas are ready"
    if ready >= worker.replicas:
        return True, REPLICAS_READY, message
    return False, REPLICAS_NOT_READY, message


def _progressing(worker: Worker, ours: Sequence[ObservedPod]) -> Verdict:
    if waiting := [pod for pod in ours if pod.unschedulable]:
        pod = waiting[0]
        return True, UNSCHEDULABLE, f"pod {pod.name} waits for a node: {pod.unschedulable}"
    if ending := [pod.name for pod in ours if pod.deleting]:
        return True, STOPPING, f"pods are ending: {', '.join(ending)}"
    wanted = revision(worker)
    if outdated := [pod.name for pod in ours if pod.revision != wanted]:
        return True, UPDATING, f"pods of an older spec are replaced: {', '.join(outdated)}"
    ready = sum(pod.ready for pod in ours)
    if ready < worker.replicas:
        return True, STARTING, f"{worker.replicas - ready} of {worker.replicas} replicas start"
    return False, SETTLED, "all pods are as the spec wants them"


def _degraded(
    worker: Worker, pods: Sequence[ObservedPod], plan: Plan, refusals: Sequence[str]
) -> Verdict:
    """Tell the first thing that somebody must act on."""
    ours = [pod for pod in pods if pod.owner_uid == worker.uid and not pod.deleting]
    for pod in ours:
        if pod.check_passed is False:
            return True, CHECK_REFUSED, f"pod {pod.name}: {_sentence(pod.check_message)}"
    if refusals:
        return True, POD_REFUSED, "; ".join(refusals)
    if plan.conflicts:
        taken = ", ".join(plan.conflicts)
        message = f"pods that are not this worker's have its names: {taken}; delete them"
        return True, NAME_TAKEN, message
    troubles = (_trouble(pod) for pod in ours)
    return next((one for one in troubles if one), (False, AS_PLANNED, "nothing is wrong"))


def _trouble(pod: ObservedPod) -> Verdict | None:
    """Tell what is wrong with one pod whose check has not refused; None where nothing is."""
    if pod.started is False:
        return True, STARTED_UNBOUND, f"pod {pod.name}: {started_unbound(pod)}; it is replaced"
    if pod.failure:
        reason = REPLICA_FAILED if pod.terminal else CONTAINER_WAITING
        return True, reason, f"pod {pod.name}: {pod.failure}"
    if pod.check_passed and not _reported(pod):
        said = f"its check passed, but its report says nothing of it: {pod.check_message!r}"
        return True, REPORT_UNREADABLE, f"pod {pod.name}: {said}"
    return None


def _reported(pod: ObservedPod) -> bool:
    """Tell whether the check has seen everything as planned."""
    try:
        return bool(pod.check_passed) and CheckReport.parse(pod.check_message).verified
    except ReportInvalid:
        return False


def _placement(pod: ObservedPod) -> list[Status]:
    """Repeat what the pod's check has seen; none while no check has ended."""
    if pod.check_passed is None:
        return []
    placed: Status = {"pod": pod.name, "node": pod.node, "enforcement": "Required"}
    try:
        report = CheckReport.parse(pod.check_message)
    except ReportInvalid:
        why = _sentence(pod.check_message)
        return [{**placed, "ranks": [], "verified": False, "message": why[:MAX_MESSAGE]}]
    ranks = [
        {"cpus": rank.cpus, "numaNode": rank.numa_node}
        | ({} if rank.memory_bytes is None else {"memoryBytes": rank.memory_bytes})
        for rank in report.ranks
    ]
    why = unverified(pod) if _reported(pod) else report.message or "the check did not say why"
    return [{**placed, "ranks": ranks, "verified": not why} | ({"message": why} if why else {})]


def _sentence(message: str) -> str:
    try:
        return CheckReport.parse(message).message
    except ReportInvalid:
        return message or "the check failed without a message; see the log of its container"


def _conditions(
    verdicts: Mapping[str, Verdict], old: Mapping[str, Any], now: str, generation: int
) -> list[Status]:
    before = {one["type"]: one for one in old.get("conditions") or ()}
    made = []
    for kind, (holds, reason, message) in verdicts.items():
        word = "True" if holds else "False"
        same = before.get(kind, {}).get("status") == word
        made.append(
            {
                "type": kind,
                "status": word,
                "reason": reason,
                "message": message[:MAX_MESSAGE],
                "observedGeneration": generation,
                "lastTransitionTime": before[kind]["lastTransitionTime"] if same else now,
            }
        )
    return made
