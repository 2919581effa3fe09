import pytest

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
