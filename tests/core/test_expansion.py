import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal import expansion

KNOWN = {"A": "1", "B": "two words", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("--threads=$(A)", "--threads=1"),
        ("$(A)$(B)", "1two words"),
        ("$(EMPTY)", ""),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(A", "$(A"),
        ("$()", "$()"),
        ("", ""),
    ],
)
def test_references_are_expanded_as_the_kubelet_does(text: str, expanded: str) -> None:
    assert expansion.expand(text, KNOWN) == expanded


def test_a_variable_sees_those_before_it() -> None:
    entries = [
        ("FIRST", "$(CPUS)"),
        ("SECOND", "$(FIRST)$(THIRD)"),
        ("THIRD", "3"),
        ("SECRET", None),
        ("FOURTH", "$(SECRET)"),
    ]

    assert expansion.environment(entries) == {
        "FIRST": "$(CPUS)",
        "SECOND": "$(CPUS)$(THIRD)",
        "THIRD": "3",
        "FOURTH": "$(SECRET)",
    }


@pytest.mark.parametrize(
    ("entries", "environment"),
    [
        ([("A", "1"), ("A", "2")], {"A": "2"}),
        ([("A", "1"), ("A", "$(A)2")], {"A": "12"}),
        ([("A", "1"), ("A", None)], {}),
        ([("A", None), ("A", "1")], {"A": "1"}),
    ],
    ids=["plain", "of itself", "then unknown", "first unknown"],
)
def test_of_two_variables_with_one_name_the_last_wins(
    entries: list[tuple[str, str | None]], environment: dict[str, str]
) -> None:
    assert expansion.environment(entries) == environment


@given(
    st.text("$()AB é", max_size=20),
    st.dictionaries(st.sampled_from(["A", "B", "AB"]), st.text("aé", max_size=9)),
)
def test_a_size_is_known_before_anything_is_expanded(text: str, values: dict[str, str]) -> None:
    sizes = {name: len(value.encode()) for name, value in values.items()}

    assert expansion.size_bytes(text, sizes) >= len(expansion.expand(text, values).encode())
