from collections.abc import Sequence
from dataclasses import replace

import pytest

from numalocal_deviceplugin.node.turns import Turns
from numalocal_deviceplugin.state import State


@pytest.mark.parametrize(
    ("every", "due"),
    [(1, [True] * 7), (3, [True, False, False, True, False, False, True])],
)
def test_at_rest_every_so_many_turns_are_due(state: State, every: int, due: Sequence[bool]) -> None:
    facts, turns = state.snapshot().facts, Turns(every)

    found = []
    for _ in due:
        found.append(turns.is_due(facts))
        turns.rest(facts)

    assert found == due


def test_while_there_is_something_to_do_every_turn_is_due(state: State) -> None:
    facts, turns = state.snapshot().facts, Turns(3)

    for _ in range(5):
        assert turns.is_due(facts)
        turns.rest(None)


def test_the_turn_after_a_change_is_due_and_the_count_begins_anew(state: State) -> None:
    before, turns = state.snapshot().facts, Turns(3)
    after = replace(before)
    turns.is_due(before)
    turns.rest(before)
    assert not turns.is_due(before)

    assert turns.is_due(after)
    turns.rest(after)

    assert [turns.is_due(after) for _ in range(3)] == [False, False, True]
