from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal_operator.observing.nodes import node_of
from numalocal_operator.planning.affinity import keep_off
from numalocal_operator.planning.constraints import constraints, obstacle

from ..builders import raw_node

ZONE = {"key": "zone", "operator": "In", "values": ["x"]}


def not_in(*names: str) -> list[dict[str, Any]]:
    return [{"key": "metadata.name", "operator": "NotIn", "values": [name]} for name in names]


def affinity(terms: Any) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"containers": [], "affinity": {"nodeAffinity": required}}


def test_a_pod_without_affinity_gets_a_term_of_its_own() -> None:
    assert keep_off({"containers": []}, ["a", "b"]) == affinity([{"matchFields": not_in("a", "b")}])


def test_each_of_the_users_terms_gets_all_names() -> None:
    first, second = {"matchExpressions": [ZONE]}, {"matchFields": not_in("c")}

    assert keep_off(affinity([first, second]), ["a"]) == affinity(
        [{**first, "matchFields": not_in("a")}, {"matchFields": not_in("c", "a")}]
    )


def test_all_else_of_an_affinity_stays() -> None:
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}
    spec = {"affinity": {"podAffinity": {"a": 1}, "nodeAffinity": preferred}, "hostname": "x"}

    made = keep_off(spec, ["a"])

    assert made["hostname"] == "x"
    assert made["affinity"]["podAffinity"] == {"a": 1}
    assert made["affinity"]["nodeAffinity"].items() >= preferred.items()


def test_a_term_that_matches_nothing_goes_on_to() -> None:
    spec = affinity([{}, {"matchExpressions": []}, {"matchExpressions": [ZONE]}])

    terms = constraints(keep_off(spec, ["a"])).terms

    assert terms is not None
    assert [bool(one.labels or one.fields) for one in terms] == [False, False, True]


@pytest.mark.parametrize("nothing", [{}, {"affinity": None}, {"affinity": {"nodeAffinity": None}}])
def test_what_is_null_is_left_out(nothing: dict[str, Any]) -> None:
    assert constraints(keep_off(nothing, ["a"])).terms is not None


@pytest.mark.parametrize(
    "spec",
    [
        {"affinity": 1},
        {"affinity": {"nodeAffinity": []}},
        {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": "x"}}},
        affinity(None),
        affinity({"a": 1}),
        affinity([]),
        affinity([1, None, {"matchFields": 7}]),
    ],
)
def test_what_the_api_server_refuses_stays_as_it_is(spec: dict[str, Any]) -> None:
    assert keep_off(spec, ["a"]) == spec


def test_without_names_nothing_is_added() -> None:
    assert keep_off({"containers": []}, []) == {"containers": []}


words = st.sampled_from(["a", "b", "c"])
expressions = st.builds(
    lambda key, operator, values: {"key": key, "operator": operator, "values": values},
    words,
    st.sampled_from(["In", "NotIn", "Exists"]),
    st.lists(words, max_size=2),
)
fields = st.builds(
    lambda operator, name: {"key": "metadata.name", "operator": operator, "values": [name]},
    st.sampled_from(["In", "NotIn"]),
    words,
)
terms = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "matchExpressions": st.lists(expressions, max_size=2),
            "matchFields": st.lists(fields, max_size=2),
        },
    ),
    max_size=3,
)
specs: st.SearchStrategy[dict[str, Any]] = st.just({"containers": []}) | terms.map(affinity)
labels = st.dictionaries(words, words)


@given(specs, st.lists(words, unique=True), words, labels)
def test_a_node_is_allowed_exactly_where_it_was_and_is_not_named(
    spec: dict[str, Any], names: list[str], name: str, has: Mapping[str, str]
) -> None:
    node = node_of(raw_node(name, dict(has)))
    made = keep_off(spec, names)

    before, after = (obstacle(constraints(one), node) == "" for one in (spec, made))

    assert after == (before and name not in names)
    assert keep_off(made, names) == made
