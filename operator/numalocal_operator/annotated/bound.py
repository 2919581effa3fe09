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

CONDITION: Final = f"{names.DOMAIN}/Bound"
VERIFIED: Final = "Verified"
REFUSED: Final = "CheckRefused"
CHECKING: Final = "Checking"
STARTING: Final = "Starting"
_MOST_MESSAGE: Final = 1024

RawPod = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """A pod's condition: status is True, False or Unknown."""

    status: str
    reason: str
    message: str


def said(raw: RawPod) -> Condition | None:
    """Give the condition that a pod has; None where it has none."""
    conditions = (raw.get("status") or {}).get("conditions") or ()
    told = (
        Condition(*(str(one.get(field, "")) for field in ("status", "reason", "message")))
        for one in conditions
        if one.get("type") == CONDITION
    )
    return next(told, None)


def condition(pod: ObservedPod) -> Condition:
    """Say whether a pod that asked by annotation is bound as it asked.

    A check that has passed is the past: it is bound while its node shows that the engine's
    container, as it runs now, was created with its binding.
    """
    if pod.check_passed is None:
        return _unknown(CHECKING, pod.unschedulable or pod.failure or "the check has not ended yet")
    try:
        report = CheckReport.parse(pod.check_message)
    except ReportInvalid:
        return _refused(pod.check_message or "the check left no report")
    if not (pod.check_passed and report.verified):
        return _refused(report.message or "the check did not say why")
    if pod.started is False:
        what = f"{started_unbound(pod)}: delete the pod, and its controller makes another"
        return Condition("False", STARTED_UNBOUND, what[:_MOST_MESSAGE])
    if why := unverified(pod):
        return _unknown(STARTING, pod.failure or why)
    ranks = "; ".join(
        f"rank {rank} on CPUs {one.cpus}, memory of NUMA node {one.numa_node}"
        for rank, one in enumerate(report.ranks)
    )
    # A check that was bound late knows all its CPUs, and not whose rank's they are.
    what = f"{ranks} of node {pod.node}" if ranks else report.message
    return Condition("True", VERIFIED, what[:_MOST_MESSAGE])


def _refused(why: str) -> Condition:
    return Condition("False", REFUSED, why[:_MOST_MESSAGE])


def _unknown(reason: str, why: str) -> Condition:
    return Condition("Unknown", reason, why[:_MOST_MESSAGE])
