import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from numalocal.worker.required import required_plugins

KEY = "required-plugins.noderesource.dev"
OURS = '["numalocal"]'


def test_a_pod_that_says_nothing_requires_the_agent() -> None:
    assert required_plugins({"other.io/x": "1"}) == ({KEY: OURS}, ())


@pytest.mark.parametrize("value", ['["other"]', "- other", "[other]", "[ 'other' ] # mine"])
def test_what_the_user_requires_stays_required(value: str) -> None:
    assert required_plugins({KEY: value}) == ({KEY: '["other","numalocal"]'}, ())


@pytest.mark.parametrize("value", ["", "[]", "null", "---"])
def test_an_empty_list_becomes_ours(value: str) -> None:
    assert required_plugins({KEY: value}) == ({KEY: OURS}, ())


def test_what_names_the_agent_already_is_left_alone() -> None:
    assert required_plugins({KEY: "[numalocal, other]"}) == ({}, ())


def test_a_containers_own_list_and_the_pods_hide_the_bare_one_so_all_name_it() -> None:
    given = {f"{KEY}/container.engine": "[a]", f"{KEY}/pod": "[b]"}

    written, _ = required_plugins(given)

    assert written == {
        f"{KEY}/container.engine": '["a","numalocal"]',
        f"{KEY}/pod": '["b","numalocal"]',
    }


def test_the_other_containers_are_told_by_the_bare_one_where_there_is_no_other() -> None:
    written, _ = required_plugins({f"{KEY}/container.engine": "[a]"})

    assert written[KEY] == OURS


@pytest.mark.parametrize(
    "value",
    ["other", "{a: b}", "[1, 2]", "[[a]]", "[", "[" * 5000, "&a [*a]", "a: &b [*b, *b]", "7", "\0"],
)
def test_what_is_no_list_of_plugins_stays_and_is_told(value: str) -> None:
    written, notes = required_plugins({KEY: value})

    assert written == {}
    (note,) = notes
    assert note.startswith(f"annotation {KEY} stays as it is, for it is no list of plugins: ")
    assert len(note) < 500


def test_sentences_have_an_end() -> None:
    written, notes = required_plugins({f"{KEY}/container.c{n}": "{}" for n in range(5000)})

    assert written == {KEY: OURS}
    assert len(notes) == 8


@given(st.lists(st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1), max_size=5))
def test_nothing_of_a_list_is_lost_and_a_second_time_changes_nothing(plugins: list[str]) -> None:
    first = {KEY: json.dumps(plugins)}
    written, notes = required_plugins(first)

    assert notes == ()
    read = yaml.safe_load((first | written)[KEY])
    assert set(read) == {*plugins, "numalocal"}
    assert read[: len(plugins)] == plugins
    assert required_plugins(first | written) == ({}, ())
