from typing import Any

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


def test_a_variable_sees_ours_and_those_before_it() -> None:
    entries: list[dict[str, Any]] = [
        {"name": "FIRST", "value": "$(A)"},
        {"name": "SECOND", "value": "$(FIRST)$(THIRD)"},
        {"name": "THIRD", "value": "3"},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {}}},
    ]

    assert expansion.environment(entries, KNOWN) == {
        "FIRST": "1",
        "SECOND": "1$(THIRD)",
        "THIRD": "3",
    }
