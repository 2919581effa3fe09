from collections.abc import Callable, Mapping

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


def problems_of(raw: Mapping[str, object], read: Callable[[Fields], object]) -> list[str]:
    problems: list[Problem] = []
    read(Fields(raw, "spec", problems))
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("2", "'2' must be a whole number from 0 to 9: leave the quotes out"),
        ("two", "'two' must be a whole number from 0 to 9"),
        ("\u00b2", "'\u00b2' must be a whole number from 0 to 9"),
        (1.0, "1.0 must be a whole number from 0 to 9"),
        (True, "true must be a whole number from 0 to 9"),
    ],
)
def test_a_number_in_quotes_is_told_so(value: object, sentence: str) -> None:
    said = problems_of({"ranks": value}, lambda one: one.integer("ranks", 1, least=0, most=9))

    assert said == [f"spec.ranks: {sentence}"]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("vllm", "'vllm' must be a mapping such as {name: vllm}"),
        ("\x1b[31m", r"'\x1b[31m' must be a mapping such as {name: \x1b[31m}"),
        (7, "7 must be a mapping such as {name: 7}"),
        (["vllm"], "['vllm'] must be a mapping"),
    ],
)
def test_a_value_in_place_of_a_mapping_shows_the_mapping(value: object, sentence: str) -> None:
    said = problems_of({"engine": value}, lambda one: one.below("engine", "name"))

    assert said == [f"spec.engine: {sentence}"]


def test_a_field_that_lost_its_indent_is_told_where_it_belongs() -> None:
    below = {"memory": ("perRank",), "template.spec": ("containers",)}

    said = problems_of(
        {"perRank": "1Gi", "containers": [], "rank": 2, "x": 1},
        lambda one: one.only(("ranks", "memory"), below),
    )

    assert said == [
        "spec.perRank: '1Gi' is not a field here; did you mean spec.memory.perRank?",
        "spec.containers: [] is not a field here; did you mean spec.template.spec.containers?",
        "spec.rank: 2 is not a field; did you mean ranks?",
        "spec.x: 1 is not a field; known: ranks, memory",
    ]
