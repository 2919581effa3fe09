"""A line for each fault, and a table in the end."""

from dataclasses import replace
from typing import Any

from faults.kinds import Kind
from faults.planning import Fault
from faults.reporting import head, table, tail
from faults.running import Outcome

KILL = Fault(Kind("agent-kill", 4, 20), 42)
DRIFT = Fault(Kind("drift", 4, 20), 7)


def outcome(fault: Fault = KILL, **fields: Any) -> Outcome:
    made = Outcome(fault=fault, said="agent killed", seconds=20, recovery_s=11.6)
    return replace(made, **fields)


def test_a_fault_is_told_before_it_is_done() -> None:
    assert head(3, KILL) == "   3 agent-kill seed=42 ..."


def test_a_fault_that_was_survived_is_one_line() -> None:
    assert tail(outcome()) == " agent killed: 20 s, well after 12 s"


def test_a_fault_that_was_not_says_what_is_wrong_and_how_to_do_it_again() -> None:
    told = tail(outcome(wrong=("CPUs 2-3 are given twice", "x" * 1000))).splitlines()

    assert told[0].endswith("FAILED")
    assert told[1].strip() == "CPUs 2-3 are given twice"
    assert len(told[2]) < 400
    assert told[3].strip() == "again: make faults FAULT=agent-kill SEED=42"


def test_the_table_counts_each_kind_and_all() -> None:
    outcomes = [
        outcome(recovery_s=1),
        outcome(recovery_s=3),
        outcome(recovery_s=99, wrong=("lost",)),
        outcome(DRIFT, wrong=("lost",)),
    ]

    header, *rows = table(outcomes).splitlines()

    assert header.split() == ["kind", "count", "survived", "recovery", "(s)", "whole", "(s)"]
    assert [row.split() for row in rows] == [
        ["agent-kill", "3", "2", "2", "20"],
        ["drift", "1", "0", "-", "-"],
        ["all", "4", "2", "2", "20"],
    ]
