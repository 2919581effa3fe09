"""Tell on a pod that asked by annotation whether it is bound: pod in, its condition out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from numalocal import names
from numalocal.errors import ReportInvalid
from numalocal.report import CheckReport
from numalocal_operator.observing.observed import (
    STARTED_UNBOUND,
    ObservedPod,
    started_unbound,
    unverified,
)
from numalocal_operator.planning.placements import overflow, policed, unbound

CONDITION: Final = f"{names.DOMAIN}/Bound"
VERIFIED: Final = "Verified"
REFUSED: Final = "CheckRefused"
NOT_BOUND: Final = "NotBound"
CHECKING: Final = "Checking"
STARTING: Final = "Starting"
ENDED: Final = "Ended"
_MOST_MESSAGE: Final = 1024

RawPod = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """A pod's condition: status is True, False or Unknown."""

    status: str
    reason: str
    message: str

    @property
    def known(self) -> bool:
        """Tell whether it says that the pod is bound, or that it is not."""
        return self.status in ("True", "False")


def said(raw: RawPod) -> Condition | None:
    """Give the condition that a pod has; None where it has none."""
    told = _told(raw)
    fields = (str(told.get(field, "")) for field in ("status", "reason", "message"))
    return Condition(*fields) if told else None


def said_of_engine(raw: RawPod) -> tuple[str, bool] | None:
    """Give the engine's container, as it runs now or ran last, and whether it is said to be bound.

    What was said before that container started was said of another: None then.
    """
    engine = (raw["metadata"].get("annotations") or {}).get(names.ANNOTATION_CONTAINER)
    found = (raw.get("status") or {}).get("containerStatuses") or ()
    status: Mapping[str, Any] = next((one for one in found if one.get("name") == engine), {})
    starts = [(one or {}).get("startedAt") or "" for one in (status.get("state") or {}).values()]
    told = _told(raw)
    known = {"True": True, "False": False}.get(str(told.get("status")))
    started_at = max(starts, default="")
    if known is None or not "" < started_at < str(told.get("lastTransitionTime") or ""):
        return None
    return str(status.get("containerID") or "").rpartition("://")[2], known


def _told(raw: RawPod) -> Mapping[str, Any]:
    conditions = (raw.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == CONDITION), {})


def condition(pod: ObservedPod) -> Condition:
    """Say whether a pod that asked by annotation is bound as it asked.

    A check that has passed is the past: it is bound while its node shows that the engine's
    container, as it runs now or ran last, was created with its binding.
    """
    if pod.check_passed is None:
        return _unchecked(pod)
    try:
        report = CheckReport.parse(pod.check_message)
    except ReportInvalid:
        return _refused(pod.check_message or "the check left no report")
    if why := unbound(pod):
        return Condition("False", NOT_BOUND, why[:_MOST_MESSAGE])
    if not (pod.check_passed and report.verified):
        return _refused(report.message or "the check did not say why")
    if pod.started is False:
        what = f"{started_unbound(pod)}: delete the pod, and its controller makes another"
        return Condition("False", STARTED_UNBOUND, what[:_MOST_MESSAGE])
    return _unheard(pod) if pod.started is None else _verified(pod, report)


def _verified(pod: ObservedPod, report: CheckReport) -> Condition:
    ranks = "; ".join(
        f"rank {rank} on CPUs {one.cpus}, memory of NUMA node {one.memory_nodes}"
        for rank, one in enumerate(report.ranks)
    )
    # A check that was bound late knows all its CPUs, and not whose rank's they are.
    what = f"{ranks} of node {pod.node}" if ranks else report.message
    what += "".join(f"; {one}" for one in (policed(report), overflow(report)) if one)
    return Condition("True", VERIFIED, what[:_MOST_MESSAGE])


def _unchecked(pod: ObservedPod) -> Condition:
    if pod.terminal:
        return _unknown(ENDED, pod.failure)
    return _unknown(CHECKING, pod.unschedulable or pod.failure or "the check has not ended yet")


def _unheard(pod: ObservedPod) -> Condition:
    if pod.terminal or pod.engine_ended:
        ended = f"container {pod.engine} has ended"
        return _unknown(ENDED, f"{ended}, and node {pod.node} has not said how it was started")
    return _unknown(STARTING, pod.failure or unverified(pod))


def _refused(why: str) -> Condition:
    return Condition("False", REFUSED, why[:_MOST_MESSAGE])


def _unknown(reason: str, why: str) -> Condition:
    return Condition("Unknown", reason, why[:_MOST_MESSAGE])
