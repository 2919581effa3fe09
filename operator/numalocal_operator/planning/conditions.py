"""A worker's conditions: what is observed in, a verdict each out.

Ready, Reconciling and Stalled are for tools, by kstatus's rules: exactly one of them is True,
but for a moment in which the pods could not be looked at, when Ready is Unknown.
Available and Degraded are for people and alerts: whether the replicas serve, also during a
rollout, and whether somebody must act.  Bound is of workers that may run unbound, and says
whether they do.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from numalocal.problems import clipped
from numalocal_operator.observing.observed import ObservedPod
from numalocal_operator.planning.placements import placement, unbound
from numalocal_operator.planning.plan import Plan
from numalocal_operator.planning.target import Target
from numalocal_operator.planning.troubles import Trouble, unsettled, wrongs

READY: Final = "Ready"
AVAILABLE: Final = "Available"
RECONCILING: Final = "Reconciling"
STALLED: Final = "Stalled"
DEGRADED: Final = "Degraded"
BOUND: Final = "Bound"

REPLICAS_READY: Final = "ReplicasReady"
REPLICAS_NOT_READY: Final = "ReplicasNotReady"
SETTLED: Final = "Settled"
DEADLINE_EXCEEDED: Final = "ProgressDeadlineExceeded"
AS_PLANNED: Final = "AsPlanned"
VERIFIED: Final = "Verified"
NOT_VERIFIED: Final = "NotVerified"
NOT_BOUND: Final = "NotBound"

MAX_MESSAGE: Final = 32768
"""Characters that the CRD allows a condition's message."""

Raw = Mapping[str, Any]


class Verdict(NamedTuple):
    """What a condition says; `status` is True, False or Unknown."""

    status: str
    reason: str
    message: str


def verdicts(
    target: Target,
    pods: Sequence[ObservedPod],
    plan: Plan,
    trouble: Trouble | None,
    *,
    overdue: bool,
) -> Mapping[str, Verdict]:
    """Judge a worker by its live pods, in order; `trouble` is what the API server refused.

    `overdue` tells that its progress deadline is over.
    """
    ours = [pod for pod in pods if pod.owner_uid == target.uid]
    live = [pod for pod in ours if not pod.terminal]
    wrong = next(wrongs(target, ours, plan, trouble), None)
    open_ = next(unsettled(target, live, plan), wrong)
    return {
        **_for_tools(target, wrong, open_, overdue=overdue),
        AVAILABLE: _available(target, live),
        DEGRADED: Verdict("True", *wrong)
        if wrong
        else Verdict("False", AS_PLANNED, "nothing is wrong"),
        **({BOUND: _bound(target, live)} if target.best_effort else {}),
    }


def faulty(reason: str, message: str) -> Mapping[str, Verdict]:
    """Judge a worker whose pods could not be looked at: it is tried again."""
    return {
        READY: Verdict("Unknown", reason, message),
        RECONCILING: Verdict("True", reason, message),
        STALLED: Verdict("False", AS_PLANNED, "it is tried again"),
        DEGRADED: Verdict("True", reason, message),
    }


def stamped(
    verdicts: Mapping[str, Verdict], old: Raw, now: str, generation: int
) -> list[dict[str, Any]]:
    """Write conditions down; one keeps its transition time while its status is the same."""
    before = {one["type"]: one for one in old.get("conditions") or ()}
    return [
        {
            "type": kind,
            "status": verdict.status,
            "reason": verdict.reason,
            "message": clipped(verdict.message, MAX_MESSAGE),
            "observedGeneration": generation,
            "lastTransitionTime": before[kind]["lastTransitionTime"]
            if before.get(kind, {}).get("status") == verdict.status
            else now,
        }
        for kind, verdict in verdicts.items()
    ]


def _for_tools(
    target: Target, wrong: Trouble | None, open_: Trouble | None, *, overdue: bool
) -> Mapping[str, Verdict]:
    if open_ is None:
        return {
            READY: Verdict(
                "True", REPLICAS_READY, "all replicas are ready, as the spec wants them"
            ),
            RECONCILING: Verdict("False", SETTLED, "nothing is under way"),
            STALLED: Verdict("False", AS_PLANNED, "nothing is in the way"),
        }
    ready = Verdict("False", *(wrong or open_))
    if not (target.problem or overdue):
        return {
            READY: ready,
            RECONCILING: Verdict("True", *open_),
            STALLED: Verdict("False", AS_PLANNED, "it goes on"),
        }
    reason, why = _standstill(target, ready)
    return {
        READY: ready,
        RECONCILING: Verdict("False", reason, why),
        STALLED: Verdict("True", reason, why),
    }


def _standstill(target: Target, ready: Verdict) -> tuple[str, str]:
    if not target.problem:
        why = f"no progress for {target.deadline_s:.0f} s: {ready.message}"
        return DEADLINE_EXCEEDED, why
    known = "replaced as the last good spec asks" if target.revision else "not replaced"
    return ready.reason, f"{ready.message}; pods that end meanwhile are {known}"


def _available(target: Target, live: Sequence[ObservedPod]) -> Verdict:
    ready = sum(pod.ready for pod in live)
    message = f"{ready} of {target.replicas} replicas are ready"
    if ready >= target.replicas:
        return Verdict("True", REPLICAS_READY, message)
    return Verdict("False", REPLICAS_NOT_READY, message)


def _bound(target: Target, live: Sequence[ObservedPod]) -> Verdict:
    """Say whether replicas that may run unbound do; what is not known of one is not said of it."""
    for pod in live:
        if why := unbound(pod):
            return Verdict("False", NOT_BOUND, f"pod {pod.name}: {why}")
    verified = sum(1 for placed in map(placement, live) if placed and placed["verified"])
    message = f"{verified} of {target.replicas} replicas are bound as planned"
    if verified >= target.replicas:
        return Verdict("True", VERIFIED, message)
    return Verdict("Unknown", NOT_VERIFIED, message)
