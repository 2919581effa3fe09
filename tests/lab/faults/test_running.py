"""A run does faults within its bounds, waits until all is well, and starts over where it is not."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat

import pytest

from faults.kinds import Kind
from faults.planning import Bounds, Fault
from faults.running import SETTLE_TIMEOUT_S, STEADY_S, Node, Outcome, View, run, settle
from lab.commands import LabError

FAULT = Fault(Kind("kind", 1, 10), 1)
WELL, ILL = View(), View(unsettled=("a worker is lost",))
TWICE = View(given_twice=("CPUs 2-3 are given twice",))


@dataclass
class Time:
    now: float = 0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds


@dataclass
class Lab:
    """Shows one view after the other, and the last for ever."""

    views: list[View | LabError]
    clock: Time = field(default_factory=Time)
    did: list[str] = field(default_factory=list)
    refuses: bool = False

    def look(self) -> View:
        view = self.views.pop(0) if len(self.views) > 1 else self.views[0]
        if isinstance(view, LabError):
            raise view
        return view

    def inject(self, fault: Fault) -> str:
        if self.refuses:
            raise LabError("no such container")
        self.did.append("fault")
        self.clock.sleep(2)
        return "done"

    def run(self, count: int | None = 1, seconds: float | None = None) -> list[Outcome]:
        node = Node(
            inject=self.inject,
            look=self.look,
            sweep=lambda fault: self.did.append("sweep"),
            start_over=lambda: self.did.append("start over"),
        )
        faults: Iterator[Fault] = repeat(FAULT)
        return list(run(faults, Bounds(count=count, seconds=seconds), node, self.clock))


def test_all_is_well_when_nothing_is_found_for_some_time() -> None:
    lab = Lab([ILL, ILL, WELL])

    assert settle(lab.look, lab.clock) == ((), 2)
    assert lab.clock.now >= 2 + STEADY_S


def test_what_comes_back_while_it_is_watched_is_waited_for_again() -> None:
    lab = Lab([WELL, WELL, ILL, WELL])

    assert settle(lab.look, lab.clock) == ((), 3)


def test_cpus_given_twice_end_the_wait_at_once() -> None:
    lab = Lab([ILL, TWICE, WELL])

    assert settle(lab.look, lab.clock) == (("CPUs 2-3 are given twice",), 1)


def test_what_stays_wrong_is_told_after_the_timeout() -> None:
    wrong, now = settle((lab := Lab([ILL])).look, lab.clock)

    assert wrong == ("a worker is lost",)
    assert SETTLE_TIMEOUT_S < now < SETTLE_TIMEOUT_S + 5


def test_a_node_that_cannot_be_seen_is_waited_for() -> None:
    lab = Lab([LabError("no route"), WELL])

    assert settle(lab.look, lab.clock) == ((), 1)


def test_a_run_does_as_many_faults_as_are_wanted() -> None:
    lab = Lab([WELL])

    outcomes = lab.run(count=3)

    assert [one.wrong for one in outcomes] == [(), (), ()]
    assert lab.did == ["fault", "sweep"] * 3


def test_a_run_begins_no_fault_that_cannot_end_in_its_time() -> None:
    lab = Lab([WELL])

    outcomes = lab.run(count=None, seconds=30)

    assert len(outcomes) == 3
    assert lab.clock.now <= 30


def test_the_time_to_recover_does_not_count_the_fault_itself() -> None:
    (outcome,) = Lab([ILL, ILL, ILL, WELL]).run()

    assert outcome.recovery_s == 3
    assert outcome.seconds == 2 + 3 + STEADY_S
    assert outcome.said == "done"


def test_after_a_fault_that_was_not_survived_all_is_made_anew_and_the_run_goes_on() -> None:
    lab = Lab([TWICE, WELL])

    first, second = lab.run(count=2)

    assert first.wrong == ("CPUs 2-3 are given twice",)
    assert second.wrong == ()
    assert lab.did == ["fault", "sweep", "start over", "fault", "sweep"]


def test_a_run_ends_where_nothing_can_be_made_well() -> None:
    with pytest.raises(LabError, match="nothing is well in a new population: a worker is lost"):
        Lab([ILL]).run(count=2)


def test_a_fault_that_cannot_be_done_is_no_survival() -> None:
    lab = Lab([WELL], refuses=True)

    (outcome,) = lab.run()

    assert outcome.wrong == ("the fault cannot be done: no such container",)
