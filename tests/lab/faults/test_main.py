"""What the variables of `make faults` ask for."""

from itertools import islice

import pytest

from faults.__main__ import wanted
from faults.kinds import KINDS
from faults.planning import Bounds, plan


def test_without_any_a_thousand_faults_of_a_new_seed() -> None:
    first, second = wanted({}), wanted({})

    assert first.bounds == Bounds(count=1000)
    assert first.seed != second.seed


def test_minutes_bound_a_run_alone_or_with_a_number() -> None:
    assert wanted({"MINUTES": "8"}).bounds == Bounds(seconds=480)
    assert wanted({"MINUTES": "0.5", "N": "3"}).bounds == Bounds(count=3, seconds=30)


def test_empty_variables_are_as_none() -> None:
    empty = {"N": "", "MINUTES": "", "SEED": "", "FAULT": ""}

    assert wanted(empty).bounds == Bounds(count=1000)


def test_a_seed_is_a_plan() -> None:
    asked = wanted({"SEED": "5", "N": "10"})

    assert list(islice(asked.faults, 20)) == list(islice(plan(5, KINDS), 20))


def test_a_kind_and_a_seed_are_one_fault() -> None:
    asked = wanted({"FAULT": "drift", "SEED": "9"})

    (fault,) = islice(asked.faults, 1)
    assert (fault.kind.name, fault.seed) == ("drift", 9)
    assert asked.bounds == Bounds(count=1)


@pytest.mark.parametrize("environ", [{"SEED": "x"}, {"N": "many"}, {"FAULT": "flood"}])
def test_what_cannot_be_read_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"x|many|flood"):
        wanted(environ)
