from collections.abc import Mapping

import pytest

from numalocal.fields import Fields
from numalocal.problems import Problem


def size_of(value: object) -> tuple[int | None, list[str]]:
    problems: list[Problem] = []
    raw: Mapping[str, object] = {"perRank": value}
    size = Fields(raw, "spec.memory", problems).size_bytes("perRank")
    return size, [str(problem) for problem in problems]


@pytest.mark.parametrize("value", ["1Mi", 1 << 20, "64Gi", "1e9", "+2G"])
def test_an_amount_that_something_can_live_in_is_taken(value: object) -> None:
    size, problems = size_of(value)

    assert size is not None
    assert size >= 1 << 20
    assert problems == []


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (64, "64 is 64 bytes, too few for anything: did you mean 64Gi?"),
        ("64", "'64' is 64 bytes, too few for anything: did you mean 64Gi?"),
        (1, "1 is 1 byte, too few for anything: did you mean 1Gi?"),
        ("512m", "'512m' is 1 byte, too few for anything: did you mean 512Mi?"),
        ("100k", "'100k' is 100000 bytes, too few for anything: write an amount such as 64Gi"),
        (1.5, "1.5 is 2 bytes, too few for anything: write an amount such as 64Gi"),
        (0, "0 must be an amount of memory such as 64Gi"),
        (-1, "-1 must be an amount of memory such as 64Gi"),
        ("much", "'much' must be an amount of memory such as 64Gi"),
    ],
)
def test_bytes_that_lost_their_unit_are_said_and_not_swallowed(
    value: object, sentence: str
) -> None:
    assert size_of(value) == (None, [f"spec.memory.perRank: {sentence}"])
