"""Compare what a replica was given with what the kernel says it has, at every look."""

import re
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from numalocal.host.observation import Observation, Stray
from numalocal.host.placement import Placement
from numalocal.idset import IdSet
from numalocal.report import CheckReport
from numalocal.sets.memoryask import MemoryPolicy
from numalocal.sets.reach import Reach

LOCAL_SHARE = 0.99
"""Share of a replica's private memory that must lie on its nodes; the rest are pages of the C
library and the loader that the parent had touched before the binding."""
_KERNEL_WORDS: Final[Mapping[MemoryPolicy, tuple[str, ...]]] = {
    MemoryPolicy.BIND: ("bind",),
    MemoryPolicy.PREFERRED: ("prefer (many)", "prefer"),
    MemoryPolicy.INTERLEAVE: ("interleave",),
    MemoryPolicy.WEIGHTED_INTERLEAVE: ("weighted interleave",),
}
"""What mm/mempolicy.c calls the policies in numa_maps."""
_KERNELS_MOST: Final = 63
"""Characters that numa_maps has for a policy and its nodes; the rest is cut off."""
_FLAGS: Final = re.compile(r"=[a-z|]*")
"""Behind a policy, as in `bind=static|balancing:0`; the nodes are those in force with them."""
_MOST_UNREAD = 3
"""How much of what could not be looked at is said; the rest is counted."""
_MOST_KEPT = 100
"""How much of it is counted: an engine may start what hides from us for days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What all looks at a replica have shown together.

    `fullest` is the look with most threads and memory, for people to see.  What is judged is the
    worst of any look: the first `stray`, the most `strays` at once, the look with the least local
    memory, and what could not be looked at; of memory policies the look with most memory.
    """

    looks: int = 0
    fullest: Observation | None = None
    stray: Stray | None = None
    strays: int = 0
    least_local: Observation | None = None
    largest: Observation | None = None
    unread: tuple[str, ...] = ()

    def after(self, look: Observation, mems: IdSet) -> "Evidence":
        """Add a look; `mems` are the nodes that memory may be on."""
        fuller = self.fullest is None or _fullness(look) >= _fullness(self.fullest)
        least = self.least_local
        share = local_share(look.bytes_on_node, mems)
        if least is None or share < local_share(least.bytes_on_node, mems):
            least = look
        larger = self.largest is None or _size_bytes(look) >= _size_bytes(self.largest)
        return Evidence(
            looks=self.looks + 1,
            fullest=look if fuller else self.fullest,
            stray=self.stray or look.stray,
            strays=max(self.strays, look.strays),
            least_local=least,
            largest=look if larger else self.largest,
            unread=tuple(dict.fromkeys((*self.unread, *look.unread)))[:_MOST_KEPT],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that is known of a replica when it has ended.

    `rate` is what the engine printed of its speed, empty where it prints none.  `exit_status` is
    negative where a signal ended the engine, None where it was not started; `stopped` tells that
    we ended it.  `left` are processes that could not be ended.
    """

    report: CheckReport
    evidence: Evidence = field(default_factory=Evidence)
    rate: str = ""
    exit_status: int | None = None
    stopped: bool = False
    left: tuple[int, ...] = ()


def problems(placement: Placement, outcome: Outcome) -> tuple[str, ...]:
    """List what keeps a replica from being verified, a sentence each; none means verified."""
    if not outcome.report.verified:
        return (outcome.report.message,)
    return (*_ending(outcome), *_seen(placement, outcome.evidence))


def local_share(bytes_on_node: Mapping[int, int], mems: IdSet) -> float:
    """Give the share of memory on these nodes, 0 to 1; 1 where there is none."""
    total = sum(bytes_on_node.values())
    if total == 0:
        return 1.0
    return sum(bytes_on_node.get(node, 0) for node in mems) / total


def _ending(outcome: Outcome) -> Iterator[str]:
    if outcome.exit_status is None:
        yield "the engine was not started"
    elif outcome.evidence.looks == 0:
        how = "was stopped" if outcome.stopped else "ended"
        yield f"the engine {how} before it could be observed; let it run for a second"
    if outcome.exit_status and not outcome.stopped:
        yield f"the engine {_how_ended(outcome.exit_status)}; its output says why"
    if outcome.left:
        yield f"processes {', '.join(map(str, outcome.left))} did not end when they were killed"


def _seen(placement: Placement, evidence: Evidence) -> Iterator[str]:
    mems = placement.reach.mems
    if evidence.stray is not None:
        yield _astray(evidence.stray, evidence.strays, placement.assignment.cpus)
    if (least := evidence.least_local) is not None:
        share = local_share(least.bytes_on_node, mems)
        if share < LOCAL_SHARE:
            yield f"only {share:.1%} of its memory was on NUMA node {mems}"
    fullest = evidence.fullest
    if fullest is not None and not fullest.bytes_on_node and not fullest.mems <= mems:
        yield "where its memory is could not be looked at: the kernel tells no pages by node"
    if evidence.largest is not None:
        yield from _otherwise(placement.reach, evidence.largest.bytes_by_policy)
    yield from evidence.unread[:_MOST_UNREAD]
    if (more := len(evidence.unread) - _MOST_UNREAD) > 0:
        counted = "at least " if len(evidence.unread) == _MOST_KEPT else ""
        yield f"{counted}{more} more could not be looked at"


def _otherwise(reach: Reach, bytes_by_policy: Mapping[str, int]) -> Iterator[str]:
    """Say of memory that is under another policy than it should be, as an engine may set its own.

    The binder may give each rank the policy over its own nodes.  A policy that was not asked for
    takes memory from the nodes all the same, or was told above.
    """
    total = sum(bytes_by_policy.values())
    if not reach.policy_nodes or total == 0:
        return
    words = _KERNEL_WORDS[reach.policy]
    nodes = (reach.policy_nodes, *reach.rank_mems)
    wanted = [f"{word}:{one}" for one in nodes for word in words]
    others = {
        found: size
        for found, size in bytes_by_policy.items()
        if not any(_is(found, one) for one in wanted)
    }
    share = 1 - sum(others.values()) / total
    if share < LOCAL_SHARE:
        yield (
            f"only {share:.1%} of its memory was under memory policy {wanted[0]}, most of the rest "
            f"under {max(others, key=lambda one: others[one])}: the engine set a policy of its own"
        )


def _is(found: str, wanted: str) -> bool:
    """Tell whether a policy in the kernel's words is this one, whatever flags it has."""
    bare = _FLAGS.sub("", found, count=1)
    return bare == wanted or (len(found) == _KERNELS_MOST and wanted.startswith(bare))


def _astray(stray: Stray, count: int, cpus: IdSet) -> str:
    others = f", as might {count - 1} more at once" if count > 1 else ""
    return (
        f"thread {stray.name} (id {stray.thread}, pid {stray.pid}) might run on CPUs {stray.cpus} "
        f"outside the set {cpus}{others}"
    )


def _how_ended(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = f" ({signal.Signals(-status).name})"
    except ValueError:
        name = ""
    return f"was ended by signal {-status}{name}"


def _fullness(look: Observation) -> tuple[int, int]:
    return (look.threads, _size_bytes(look))


def _size_bytes(look: Observation) -> int:
    return sum(look.bytes_on_node.values())
