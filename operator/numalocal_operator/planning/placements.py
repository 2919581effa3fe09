"""Where the replicas of a worker run, as their checks have read it from the kernel."""

from typing import Any, Final

from numalocal.errors import ReportInvalid
from numalocal.problems import clipped
from numalocal.report import CheckReport
from numalocal_operator.observing.observed import ObservedPod, unverified

MAX_MESSAGE: Final = 1024
"""Characters of a placement's sentence, and of the CPUs of a rank: a status has many."""

Placement = dict[str, Any]


def placement(pod: ObservedPod) -> Placement | None:
    """Repeat what the pod's check has seen; None while no check has ended."""
    if pod.check_passed is None:
        return None
    placed: Placement = {"pod": pod.name, "node": pod.node, "enforcement": "Required"}
    placed |= {"restarts": pod.restarts} if pod.restarts else {}
    placed |= {"lastEnd": clipped(pod.restarted, MAX_MESSAGE)} if pod.restarted else {}
    try:
        report = CheckReport.parse(pod.check_message)
    except ReportInvalid:
        why = sentence(pod.check_message)
        return {**placed, "ranks": [], "verified": False, "message": clipped(why, MAX_MESSAGE)}
    ranks = [
        {"cpus": clipped(rank.cpus, MAX_MESSAGE), "numaNode": rank.numa_node}
        | ({} if rank.memory_bytes is None else {"memoryBytes": rank.memory_bytes})
        for rank in report.ranks
    ]
    why = unverified(pod) if reported(pod) else report.message or "the check did not say why"
    placed |= {"ranks": ranks, "verified": not why}
    return placed | ({"message": clipped(why, MAX_MESSAGE)} if why else {})


def reported(pod: ObservedPod) -> bool:
    """Tell whether the check has seen everything as planned."""
    try:
        return bool(pod.check_passed) and CheckReport.parse(pod.check_message).verified
    except ReportInvalid:
        return False


def sentence(message: str) -> str:
    """Give what a check says in its report, or else what there is."""
    try:
        return CheckReport.parse(message).message
    except ReportInvalid:
        return message or "the check failed without a message; see the log of its container"
