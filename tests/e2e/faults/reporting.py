"""A line for each fault as it ends, and a table of the kinds."""

from collections.abc import Sequence
from statistics import median

from faults.planning import Fault
from faults.running import Outcome

_SHOWN = 300
_FORMAT = "{:<28} {:>5} {:>9} {:>12} {:>12}"


def head(number: int, fault: Fault) -> str:
    """Say which fault is being done."""
    return f"{number:>4} {fault.kind.name} seed={fault.seed} ..."


def tail(outcome: Outcome) -> str:
    """Say how it ended."""
    times = f"{outcome.said}: {outcome.seconds:.0f} s, well after {outcome.recovery_s:.0f} s"
    if not outcome.wrong:
        return f" {times}"
    found = "".join(f"\n     {one[:_SHOWN]}" for one in outcome.wrong)
    return f" {times}: FAILED{found}\n     again: {outcome.fault.again}"


def table(outcomes: Sequence[Outcome]) -> str:
    """Count each kind, and all."""
    lines = [_FORMAT.format("kind", "count", "survived", "recovery (s)", "whole (s)")]
    for name in sorted({one.fault.kind.name for one in outcomes}):
        of_kind = [one for one in outcomes if one.fault.kind.name == name]
        lines += [_row(name, of_kind)]
    return "\n".join([*lines, _row("all", outcomes)])


def _row(name: str, outcomes: Sequence[Outcome]) -> str:
    survived = [one for one in outcomes if not one.wrong]
    recovery = f"{median(one.recovery_s for one in survived):.0f}" if survived else "-"
    whole = f"{median(one.seconds for one in survived):.0f}" if survived else "-"
    return _FORMAT.format(name, len(outcomes), len(survived), recovery, whole)
