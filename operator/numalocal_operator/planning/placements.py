"""Where the replicas of a worker run, as their checks have read it from the kernel."""

from collections.abc import Iterable
from typing import Any, Final

from numalocal.errors import ReportInvalid
from numalocal.problems import clipped
from numalocal.report import CheckReport
from numalocal.sets.memoryask import BINDER_WORDS, Enforcement, MemoryAsk, MemoryPolicy, Overflow
from numalocal_operator.observing.observed import ObservedPod, started_unbound, unverified

MAX_MESSAGE: Final = 1024
"""Characters of a placement's sentence, and of the CPUs of a rank: a status has many."""

_NO_POLICY: Final = ("default", "local")
"""What the kernel calls a process without a memory policy."""

Placement = dict[str, Any]


def placement(pod: ObservedPod) -> Placement | None:
    """Repeat what the pod's check has seen; None while no check has ended."""
    if pod.check_passed is None:
        return None
    enforcement = Enforcement.BEST_EFFORT if pod.best_effort else Enforcement.REQUIRED
    placed: Placement = {"pod": pod.name, "node": pod.node, "enforcement": str(enforcement)}
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
    placed |= {"ranks": ranks, "memory": _memory(report), "verified": not why}
    return placed | ({"message": clipped(why, MAX_MESSAGE)} if why else {})


def _memory(report: CheckReport) -> Placement:
    """Say where the ranks' memory is, how it is taken, and what it costs where that is too far."""
    nodes = report.memory_policy_nodes or report.mems
    memory: Placement = {"nodes": clipped(nodes, MAX_MESSAGE)}
    if report.memory_policy is not None:
        memory["policy"] = clipped(_word(report.memory_policy), MAX_MESSAGE)
    if (cost := report.overflow) is not None:
        measured = {
            "interleavedBytesPerSecond": cost.interleaved_bytes_per_s,
            "nearBytesPerSecond": cost.near_bytes_per_s,
        }
        said = {name: value for name, value in measured.items() if value is not None}
        memory["overflow"] = {**said, "message": overflow(report)}
    return memory


def _word(policy: str) -> str:
    """Give a spec's word for one of the kernel's: where no policy is set, its CPU set binds it."""
    words = {theirs: str(ours) for ours, theirs in BINDER_WORDS.items()}
    return words.get(policy, str(MemoryPolicy.BIND) if policy in _NO_POLICY else policy)


def policed(report: CheckReport) -> str:
    """Say by which memory policy ranks take memory, and from where; empty where there is none."""
    policy, nodes = report.memory_policy, report.memory_policy_nodes
    if policy is None or policy in _NO_POLICY:
        return ""
    return f"memory policy {_word(policy)} over NUMA nodes {nodes}"


def overflow(report: CheckReport) -> str:
    """Say that ranks have memory of farther nodes, and what that costs; empty where they have not.

    The bandwidths are the check's own, of reading on that very node.
    """
    cost = report.overflow
    if cost is None:
        return ""
    what = f"more memory than near nodes have: pages are interleaved over NUMA nodes {report.mems}"
    if not cost.interleaved_bytes_per_s or not cost.near_bytes_per_s:
        return clipped(f"{what}; what that costs could not be measured", MAX_MESSAGE)
    far, near = (
        f"{bytes_per_s / 1e9:.1f}"
        for bytes_per_s in (cost.interleaved_bytes_per_s, cost.near_bytes_per_s)
    )
    share = cost.interleaved_bytes_per_s / cost.near_bytes_per_s
    return clipped(
        f"{what}, read at {far} GB/s, {share:.0%} of the {near} GB/s of near memory", MAX_MESSAGE
    )


def reported(pod: ObservedPod) -> bool:
    """Tell whether the check has seen everything as planned."""
    try:
        return bool(pod.check_passed) and CheckReport.parse(pod.check_message).verified
    except ReportInvalid:
        return False


def unbound(pod: ObservedPod) -> str:
    """Say what of its binding a pod lacks that may run without; empty where that is not known."""
    if not (pod.best_effort and pod.check_passed):
        return ""
    try:
        report = CheckReport.parse(pod.check_message)
    except ReportInvalid:
        return ""
    if not report.verified:
        return report.message or "the check did not say why"
    return started_unbound(pod) if pod.started is False else ""


def unable(pods: Iterable[ObservedPod], memory: MemoryAsk) -> frozenset[str]:
    """Name the nodes on which a check has found no memory policy where one was asked for.

    So it is where the runtime hands it on and its runc is too old to set it: nobody else tells.
    """
    asks = memory.policy is not MemoryPolicy.BIND or memory.on_overflow is Overflow.INTERLEAVE
    refused = (pod for pod in pods if asks and pod.node and pod.check_passed is False)
    return frozenset(pod.node for pod in refused if _policy(pod) in _NO_POLICY)


def _policy(pod: ObservedPod) -> str | None:
    try:
        return CheckReport.parse(pod.check_message).memory_policy
    except ReportInvalid:
        return None


def sentence(message: str) -> str:
    """Give what a check says in its report, or else what there is."""
    try:
        return CheckReport.parse(message).message
    except ReportInvalid:
        return message or "the check failed without a message; see the log of its container"
