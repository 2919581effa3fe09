"""Compare what a replica was given with what the kernel says it has, at every look."""

import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from numalocal.host.observation import Observation, Stray
from numalocal.report import CheckReport
from numalocal.sets.assignment import Assignment

LOCAL_SHARE = 0.99
"""Share of a replica's private memory that must lie on its nodes; the rest are pages of the C
library and the loader that the parent had touched before the binding."""
_MOST_UNREAD = 3
"""How much of what could not be looked at is said; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What all looks at a replica have shown together.

    `fullest` is the look with most threads and memory, for people to see.  What is judged is the
    worst of any look: the first `stray`, the most `strays` at once, the look with the least local
    memory, and all that could not be looked at.
    """

    looks: int = 0
    fullest: Observation | None = None
    stray: Stray | None = None
    strays: int = 0
    least_local: Observation | None = None
    unread: tuple[str, ...] = ()

    def after(self, look: Observation, assignment: Assignment) -> "Evidence":
        """Add a look."""
        fuller = self.fullest is None or _fullness(look) >= _fullness(self.fullest)
        least = self.least_local
        share = local_share(look.bytes_on_node, assignment)
        if least is None or share < local_share(least.bytes_on_node, assignment):
            least = look
        return Evidence(
            looks=self.looks + 1,
            fullest=look if fuller else self.fullest,
            stray=self.stray or look.stray,
            strays=max(self.strays, look.strays),
            least_local=least,
            unread=tuple(dict.fromkeys((*self.unread, *look.unread))),
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


def problems(assignment: Assignment, outcome: Outcome) -> tuple[str, ...]:
    """List what keeps a replica from being verified, a sentence each; none means verified."""
    if not outcome.report.verified:
        return (outcome.report.message,)
    return (*_ending(outcome), *_seen(assignment, outcome.evidence))


def local_share(bytes_on_node: Mapping[int, int], assignment: Assignment) -> float:
    """Give the share of memory on the assignment's nodes, 0 to 1; 1 where there is none."""
    total = sum(bytes_on_node.values())
    if total == 0:
        return 1.0
    return sum(bytes_on_node.get(node, 0) for node in assignment.mems) / total


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


def _seen(assignment: Assignment, evidence: Evidence) -> Iterator[str]:
    if evidence.stray is not None:
        yield _astray(evidence.stray, evidence.strays, assignment)
    if (least := evidence.least_local) is not None:
        share = local_share(least.bytes_on_node, assignment)
        if share < LOCAL_SHARE:
            yield f"only {share:.1%} of its memory was on NUMA node {assignment.mems}"
        if not least.bytes_on_node and not least.mems <= assignment.mems:
            yield "where its memory is could not be looked at: the kernel tells no pages by node"
    yield from evidence.unread[:_MOST_UNREAD]
    if (more := len(evidence.unread) - _MOST_UNREAD) > 0:
        yield f"{more} more could not be looked at"


def _astray(stray: Stray, count: int, assignment: Assignment) -> str:
    others = f", as might {count - 1} more at once" if count > 1 else ""
    return (
        f"thread {stray.name} (id {stray.thread}, pid {stray.pid}) might run on CPUs {stray.cpus} "
        f"outside the set {assignment.cpus}{others}"
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
    return (look.threads, sum(look.bytes_on_node.values()))
