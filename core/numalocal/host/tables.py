"""What `numalocal run` shows: text made of values, nothing printed here."""

from collections.abc import Sequence
from typing import Final

from numalocal.host.observation import Observation
from numalocal.host.placement import Placement
from numalocal.host.verdict import Outcome, local_share, problems
from numalocal.pictures import words
from numalocal.pictures.columns import columns
from numalocal.quantity import format_bytes
from numalocal.report import OverflowCost
from numalocal.sets.memoryask import BOUND_LOCALLY
from numalocal.worker.spec import Worker

Row = tuple[str, str, str, str]
_NO_WRAP: Final = 1 << 16
"""The live table is cut to the terminal, where it is drawn."""
Look = tuple[Observation | None, str]
"""The last look at a replica, and the last rate it printed, empty where it printed none."""


def replica_table(worker: Worker, placement: Placement, outcome: Outcome, *, width: int) -> str:
    """Show a replica as three columns: asked, bound, and what /proc said."""
    assignment = placement.assignment
    rows: list[Row] = [("", "asked", "bound", "/proc says")]
    look = outcome.evidence.fullest
    unseen = "not started" if outcome.exit_status is None else "ended too soon to be seen"
    seen_cpus = seen_nodes = seen_memory = unseen
    if look is not None:
        threads = _count(look.threads, "thread")
        seen_cpus = f"{look.cpus} ({threads})"
        seen_nodes = f"allowed {look.mems}"
        share = local_share(look.bytes_on_node, placement.reach.mems)
        seen_memory = f"{_on_nodes(look.bytes_on_node)}, {share:.1%} local"
    sets = ", ".join(one.id for one in assignment.sets)
    rows.append(("CPUs", f"{_count(worker.ranks, 'set')} of {worker.pool}", sets, ""))
    rows.append(("", "", str(assignment.cpus), seen_cpus))
    rows.append(("memory", _nodes_asked(worker), words.bound(placement.reach), seen_nodes))
    rows.append(("", _memory_asked(worker), _available(outcome), seen_memory))
    if (cost := outcome.report.overflow) is not None:
        rows.append(("overflow", "", "", _overflow(cost)))
    if outcome.rate:
        rows.append(("rate", "", "", outcome.rate))
    return f"replica {placement.replica}\n{columns(rows, width, indent='  ')}"


def live_table(
    placements: Sequence[Placement], looks: Sequence[Look], *, bound_by: str, seconds: float
) -> str:
    """Show what runs now: CPUs, nodes, threads, memory by node, last rate of each replica."""
    rows: list[Row] = [("replica", "CPUs", "threads", "memory"), *map(_live_row, placements, looks)]
    rates = [
        f"replica {one.replica}: {rate}"
        for one, (_, rate) in zip(placements, looks, strict=True)
        if rate
    ]
    heading = f"running for {seconds:.0f} s, bound by {bound_by}"
    whole = columns(rows, _NO_WRAP, indent="  ")
    return "\n".join([heading, whole, *(f"  {rate}" for rate in rates)])


def closing_line(results: Sequence[tuple[Placement, Outcome]], ended_by: str = "") -> str:
    """Say verified, or for each replica what was not; `ended_by` is who ended the run early."""
    wrong = [
        f"replica {placement.replica}: {problem}"
        for placement, outcome in results
        for problem in problems(placement, outcome)
    ]
    early = f"ended early by {ended_by}: " if ended_by else ""
    if wrong:
        return f"{early}not verified: {'; '.join(wrong)}"
    if not results:
        return f"{early}nothing was verified: spec.replicas is 0, no engine was started"
    so_far = "verified until then" if ended_by else "verified"
    count = _count(len(results), "replica")
    own = all(one.reach.mems == one.assignment.mems for one, _ in results)
    where = "beside them" if own else "that were asked for"
    return f"{early}{so_far}: {count}, every thread on its own CPUs, memory on the nodes {where}"


def _live_row(placement: Placement, look: Look) -> Row:
    mems, (seen, _) = placement.reach.mems, look
    cpus = f"{placement.assignment.cpus} on {words.node_list(mems)}"
    if seen is None:
        return str(placement.replica), cpus, "starting", ""
    share = local_share(seen.bytes_on_node, mems)
    memory = f"{_on_nodes(seen.bytes_on_node)}, {share:.1%} local"
    return str(placement.replica), cpus, str(seen.threads), memory


def _overflow(cost: OverflowCost) -> str:
    """Say what memory on farther nodes costs, as the check measured it just now."""
    far, near = cost.interleaved_bytes_per_s, cost.near_bytes_per_s
    if not far or not near:
        return "cost not measured"
    return f"{far / 1e9:.1f} GB/s, {far / near:.0%} of the {near / 1e9:.1f} GB/s of near memory"


def _nodes_asked(worker: Worker) -> str:
    if worker.memory == BOUND_LOCALLY:
        return "beside the CPUs"
    return f"{worker.memory.policy}, nodes {worker.memory.nodes}"


def _memory_asked(worker: Worker) -> str:
    if worker.memory_per_rank_bytes is None:
        return "no amount"
    return f"{format_bytes(worker.memory_per_rank_bytes)} per rank"


def _available(outcome: Outcome) -> str:
    available = [rank.available_bytes for rank in outcome.report.ranks]
    return ", ".join(f"{format_bytes(one)} available" for one in available if one is not None)


def _on_nodes(placed: object) -> str:
    if not isinstance(placed, dict) or not placed:
        return "no page seen"
    return ", ".join(f"N{node}={format_bytes(size)}" for node, size in sorted(placed.items()))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
