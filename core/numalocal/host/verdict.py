"""Compare what a replica was given with what the kernel says it has."""

from collections.abc import Mapping
from dataclasses import dataclass

from numalocal.host.observation import Observation
from numalocal.report import CheckReport
from numalocal.sets.assignment import Assignment

LOCAL_SHARE = 0.99
"""Share of a rank's private memory that must lie on its nodes; the rest are pages of the C
library and the loader that the parent had touched before the binding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that is known of a replica when it has ended.

    `observation` is the last look while it ran, None where it ended too soon for one.
    `rate` is what the engine printed of its speed, empty where it prints none.
    """

    report: CheckReport
    observation: Observation | None = None
    rate: str = ""
    exit_status: int | None = None


def problems(assignment: Assignment, outcome: Outcome) -> tuple[str, ...]:
    """List what keeps a replica from being verified, a sentence each; none means verified."""
    if not outcome.report.verified:
        return (outcome.report.message,)
    found = []
    if outcome.exit_status != 0:
        found.append(f"the engine ended with status {outcome.exit_status}; its output says why")
    if outcome.observation is None:
        found.append("the engine ended before it could be observed; let it run for a second")
        return tuple(found)
    strays = outcome.observation.cpus - assignment.cpus
    if strays:
        found.append(f"threads may run on CPUs {strays} outside the set {assignment.cpus}")
    share = local_share(outcome.observation.bytes_on_node, assignment)
    if share < LOCAL_SHARE:
        found.append(f"only {share:.1%} of its memory is on NUMA node {assignment.mems}")
    return tuple(found)


def local_share(bytes_on_node: Mapping[int, int], assignment: Assignment) -> float:
    """Give the share of memory on the assignment's nodes, 0 to 1; 1 where there is none."""
    total = sum(bytes_on_node.values())
    if total == 0:
        return 1.0
    return sum(bytes_on_node.get(node, 0) for node in assignment.mems) / total
