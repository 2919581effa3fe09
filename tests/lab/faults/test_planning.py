"""A seed is a plan: the same faults in the same order, each able to be done again alone."""

from itertools import count, islice

import pytest

from faults.injecting import INJECTIONS
from faults.kinds import KINDS, Kind, named
from faults.planning import Fault, next_that_fits, plan

CHEAP, DEAR = Kind("cheap", 3, 10), Kind("dear", 1, 100)


def test_the_same_seed_draws_the_same_faults_and_another_one_others() -> None:
    first, again, other = (list(islice(plan(seed, KINDS), 200)) for seed in (7, 7, 8))

    assert first == again
    assert first != other


def test_the_first_round_has_each_kind_once() -> None:
    drawn = [fault.kind for fault in islice(plan(1, KINDS), len(KINDS))]

    assert sorted(drawn, key=lambda kind: kind.name) == list(KINDS)


def test_later_rounds_have_each_kind_by_its_weight() -> None:
    drawn = [fault.kind.name for fault in islice(plan(1, (CHEAP, DEAR)), 2 + 4 * 10)]

    assert drawn.count("cheap") == 31
    assert drawn.count("dear") == 11


def test_no_two_faults_of_a_run_are_alike() -> None:
    seeds = [fault.seed for fault in islice(plan(1, KINDS), 1000)]

    assert len(set(seeds)) == 1000


def test_what_cannot_end_in_time_is_left_out_for_what_can() -> None:
    faults = (Fault(kind, seed) for kind, seed in zip((DEAR, DEAR, CHEAP), count(), strict=False))

    assert next_that_fits(faults, 50, tries=3) == Fault(CHEAP, 2)


def test_nothing_is_left_where_nothing_can_end_in_time() -> None:
    assert next_that_fits(plan(1, (CHEAP, DEAR)), 9, tries=20) is None


def test_without_a_limit_the_next_one_is_taken() -> None:
    assert next_that_fits(iter([Fault(DEAR, 1)]), None, tries=20) == Fault(DEAR, 1)


def test_a_fault_says_how_it_is_done_again() -> None:
    assert Fault(CHEAP, 5).again == "make faults FAULT=cheap SEED=5"


def test_each_kind_has_an_injection_and_each_injection_a_kind() -> None:
    assert [kind.name for kind in KINDS] == sorted(INJECTIONS)


def test_an_unknown_kind_is_told_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"FAULT=flood: no such kind; there are .*, reboot, "):
        named("flood")


def test_reboots_are_rare() -> None:
    weights = {kind.name: kind.weight for kind in KINDS}

    assert weights["reboot"] + weights["power-cut"] < sum(weights.values()) / 20
