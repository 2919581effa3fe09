"""What is wrong with a worker, and what is under way: the most telling first."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from numalocal import names
from numalocal_operator.observing.observed import (
    STARTED_UNBOUND,
    ObservedPod,
    is_to_be_replaced,
    started_unbound,
)
from numalocal_operator.planning.placements import reported, sentence, unbound
from numalocal_operator.planning.plan import Plan
from numalocal_operator.planning.quota import throttled
from numalocal_operator.planning.target import Target

# Reasons, for people and their alerts.
STARTING: Final = "Starting"
UNSCHEDULABLE: Final = "Unschedulable"
UPDATING: Final = "Updating"
PAUSED: Final = "Paused"
NODE_LOST: Final = "NodeLost"
STOPPING: Final = "Stopping"
CHECK_REFUSED: Final = "CheckRefused"
POD_REFUSED: Final = "PodRefused"
API_ERROR: Final = "ApiError"
REPORT_UNREADABLE: Final = "ReportUnreadable"
REPLICA_FAILED: Final = "ReplicaFailed"
CONTAINER_WAITING: Final = "ContainerWaiting"
CONTAINER_RESTARTED: Final = "ContainerRestarted"
POD_CHANGED: Final = "PodChanged"
NAME_TAKEN: Final = "NameTaken"
INVALID_SPEC: Final = "InvalidSpec"
NO_NODE_FITS: Final = "NoNodeFits"
NOT_KEPT_OFF: Final = "NotKeptOff"
CPU_QUOTA: Final = "CpuQuota"
INTERNAL_ERROR: Final = "InternalError"

_MOST_NAMES: Final = 10
"""Pods that a sentence names."""


class Trouble(NamedTuple):
    """What somebody must act on, or what keeps a worker from being as its spec wants it."""

    reason: str
    message: str


def unsettled(target: Target, live: Sequence[ObservedPod], plan: Plan) -> Iterator[Trouble]:
    """Tell what is under way: nothing where all is as the spec wants it."""
    for pod in live:
        if pod.unschedulable:
            why = f"{pod.unschedulable}{target.occupied and f' ({target.occupied})'}"
            yield Trouble(UNSCHEDULABLE, f"pod {pod.name} waits for a node: {why}")
    if ending := [pod.name for pod in live if pod.deleting]:
        yield Trouble(STOPPING, f"pods are ending: {listed(ending)}")
    if target.problem:
        return
    if outdated := [pod.name for pod in live if pod.revision not in ("", target.revision)]:
        yield _rolling(outdated, paused=target.paused)
    missing = target.replicas - sum(pod.ready for pod in live)
    if missing > 0:
        yield Trouble(STARTING, f"{missing} of {target.replicas} replicas start")
    if plan.delete:
        yield Trouble(STOPPING, f"pods are ending: {listed([pod.name for pod in plan.delete])}")


def _rolling(outdated: Sequence[str], *, paused: bool) -> Trouble:
    if paused:
        return Trouble(PAUSED, f"paused, with pods of an older spec: {listed(outdated)}")
    return Trouble(UPDATING, f"pods of an older spec are replaced: {listed(outdated)}")


def wrongs(
    target: Target, ours: Sequence[ObservedPod], plan: Plan, trouble: Trouble | None
) -> Iterator[Trouble]:
    """Tell what somebody must act on; `trouble` is what the API server refused."""
    # What is replaced for how it started is told until it has ended.
    staying = [pod for pod in ours if not pod.deleting or is_to_be_replaced(pod)]
    if target.problem:
        yield Trouble(INVALID_SPEC, target.problem)
    for pod in staying:
        if pod.check_passed is False:
            yield Trouble(CHECK_REFUSED, f"pod {pod.name}: {sentence(pod.check_message)}")
    if trouble is not None:
        yield trouble
    if plan.conflicts:
        taken = listed(plan.conflicts)
        message = f"pods that are not this worker's have its names: {taken}; delete them"
        yield Trouble(NAME_TAKEN, message)
    for pod in plan.lost:
        what = f"pod {pod.name} has not ended though its grace period is over"
        yield Trouble(NODE_LOST, f"{what}: node {pod.node} may be lost; another takes its place")
    if unlabelled := [pod.name for pod in staying if not (pod.revision or pod.terminal)]:
        yield Trouble(POD_CHANGED, label_lost(names.LABEL_REVISION, unlabelled))
    yield from _misfit(target, staying)
    yield from (one for one in map(_of_pod, staying) if one)
    yield from _quotas(target, staying)


def _misfit(target: Target, staying: Sequence[ObservedPod]) -> Iterator[Trouble]:
    placed = sum(bool(pod.node) or pod.ready for pod in staying if not pod.terminal)
    if target.unfit and placed < target.replicas:
        yield Trouble(NO_NODE_FITS, target.unfit)
    elif target.exposed and placed < target.replicas:
        yield Trouble(NOT_KEPT_OFF, target.exposed)


def _quotas(target: Target, staying: Sequence[ObservedPod]) -> Iterator[Trouble]:
    for pod in staying:
        # What it got of a node its check tells: before that it may be any node's sets.
        least = None if pod.node else target.cpus_per_set
        if not pod.terminal and (why := throttled(pod, target.ranks, least)):
            yield Trouble(CPU_QUOTA, why)


def label_lost(label: str, pods: Sequence[str]) -> str:
    """Say that somebody else has taken a label of ours off pods."""
    return (
        f"pods have no label {label}: {listed(pods)}; exempt a worker's pods from the admission "
        "that takes it off, and delete those that have lost it"
    )


def _of_pod(pod: ObservedPod) -> Trouble | None:
    """Tell what is wrong with one pod whose check has not refused; None where nothing is."""
    if is_to_be_replaced(pod):
        what = f"pod {pod.name}: {started_unbound(pod)}; it is replaced"
        return Trouble(STARTED_UNBOUND, what)
    if pod.failure:
        reason = REPLICA_FAILED if pod.terminal else CONTAINER_WAITING
        return Trouble(reason, f"pod {pod.name}: {pod.failure}")
    if pod.restarted and not pod.ready:
        return Trouble(CONTAINER_RESTARTED, f"pod {pod.name}: {pod.restarted}")
    if pod.check_passed and not (reported(pod) or unbound(pod)):
        said = f"its check passed, but its report says nothing of it: {pod.check_message!r}"
        return Trouble(REPORT_UNREADABLE, f"pod {pod.name}: {said}")
    return None


def listed(names: Sequence[str]) -> str:
    """Name the first of them, and count the rest."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
