from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.fields import Fields
from numalocal.problems import Problem
from numalocal.worker.shares import count_or_share, of_replicas


def read(value: object, least: int = 1) -> tuple[int | str | None, list[str]]:
    problems: list[Problem] = []
    fields = Fields({"few": value}, "spec", problems)
    return count_or_share(fields, "few", least=least, most=9), [str(one) for one in problems]


@pytest.mark.parametrize("value", [1, 9, "1%", "25%", "99%", "100%"])
def test_a_number_or_a_share_is_read(value: object) -> None:
    assert read(value) == (value, [])


@pytest.mark.parametrize(
    "value",
    [0, 10, -1, 1.5, True, "", "%", "1", "0%", "01%", "101%", "1.5%", "-1%", "5% ", "٣%", []],
)
def test_everything_else_is_a_sentence_with_the_bounds(value: Any) -> None:
    found, problems = read(value)

    assert found is None
    assert len(problems) == 1
    assert problems[0].startswith("spec.few: ")
    assert problems[0].endswith("must be a whole number from 1 to 9, or a share from 1% to 100%")


def test_none_may_be_right() -> None:
    assert read(None) == (None, [])
    assert read("0%", least=0) == ("0%", [])
    assert read(0, least=0) == (0, [])


@pytest.mark.parametrize(
    ("asked", "replicas", "counted"),
    [(3, 1, 3), ("25%", 8, 2), ("25%", 7, 1), ("25%", 3, 1), ("1%", 0, 1), ("100%", 7, 7)],
)
def test_a_share_is_rounded_down_but_never_to_none(
    asked: int | str, replicas: int, counted: int
) -> None:
    assert of_replicas(asked, replicas) == counted


@given(st.integers(1, 100), st.integers(1, 10_000))
def test_a_share_is_never_more_than_all_nor_more_than_was_said(percent: int, replicas: int) -> None:
    counted = of_replicas(f"{percent}%", replicas)

    assert 1 <= counted <= replicas
    assert counted == 1 or counted * 100 <= replicas * percent
