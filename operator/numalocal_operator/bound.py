"""Tell on a pod that asked by annotation whether it is bound: pod in, its condition out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from numalocal import names
from numalocal.errors import ReportInvalid
from numalocal.report import CheckReport
from numalocal.worker.admission import asks
from numalocal_operator.observed import ObservedPod, observe

CONDITION: Final = f"{names.DOMAIN}/Bound"
VERIFIED: Final = "Verified"
REFUSED: Final = "CheckRefused"
CHECKING: Final = "Checking"
_MOST_MESSAGE: Final = 1024

RawPod = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """A pod's condition: status is True, False or Unknown."""

    status: str
    reason: str
    message: str


def condition(raw: RawPod) -> Condition | None:
    """Say whether a pod is bound as it asked; None where that is said on it already.

    A label alone, which anybody can put on a pod, is no pod that asked.
    """
    if not asks(raw):
        return None
    found = _judged(observe(raw))
    conditions = (raw.get("status") or {}).get("conditions") or ()
    told = [
        Condition(*(str(one.get(field, "")) for field in ("status", "reason", "message")))
        for one in conditions
        if one.get("type") == CONDITION
    ]
    return None if found in told else found


def _judged(pod: ObservedPod) -> Condition:
    if pod.check_passed is None:
        waiting = pod.unschedulable or pod.failure or "the check has not ended yet"
        return Condition("Unknown", CHECKING, waiting[:_MOST_MESSAGE])
    try:
        report = CheckReport.parse(pod.check_message)
    except ReportInvalid:
        said = pod.check_message or "the check left no report"
        return Condition("False", REFUSED, said[:_MOST_MESSAGE])
    if not (pod.check_passed and report.verified):
        said = report.message or "the check did not say why"
        return Condition("False", REFUSED, said[:_MOST_MESSAGE])
    ranks = "; ".join(
        f"rank {rank} on CPUs {one.cpus}, memory of NUMA node {one.numa_node}"
        for rank, one in enumerate(report.ranks)
    )
    # A check that was bound late knows all its CPUs, and not whose rank's they are.
    said = f"{ranks} of node {pod.node}" if ranks else report.message
    return Condition("True", VERIFIED, said[:_MOST_MESSAGE])
