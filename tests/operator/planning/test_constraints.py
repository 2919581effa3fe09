from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal_operator.observing.nodes import Node, node_of
from numalocal_operator.planning.constraints import constraints, obstacle

from ..builders import raw_node

UNSELECTED = "not selected by nodeSelector or node affinity"


def node(name: str = "a", labels: Mapping[str, str] | None = None, **spec: Any) -> Node:
    return node_of(raw_node(name, labels or {}, **spec))


def affine(*terms: Any) -> dict[str, Any]:
    required = {"nodeSelectorTerms": list(terms)}
    affinity = {"requiredDuringSchedulingIgnoredDuringExecution": required}
    return {"affinity": {"nodeAffinity": affinity}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


def labelled(*expressions: Any) -> dict[str, Any]:
    return affine({"matchExpressions": list(expressions)})


def lands(spec: Any, on: Node) -> bool:
    return not obstacle(constraints(spec), on)


def test_a_pod_that_says_nothing_lands_on_any_ready_node() -> None:
    assert lands({}, node())
    assert not lands({}, node_of({"metadata": {"name": "a"}}))


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({}, True),
        ({"zone": "x"}, True),
        ({"zone": "y"}, False),
        ({"zone": "x", "rack": "1"}, True),
        ({"zone": "x", "rack": "2"}, False),
        ({"absent": ""}, False),
        (None, True),
    ],
)
def test_every_label_of_a_node_selector_must_be_there(selector: Any, expected: bool) -> None:  # noqa: FBT001
    assert lands({"nodeSelector": selector}, node(labels={"zone": "x", "rack": "1"})) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (expression("zone", "In", "y", "x"), True),
        (expression("zone", "In", "y"), False),
        (expression("absent", "In", "x"), False),
        (expression("zone", "In"), False),
        (expression("zone", "NotIn", "y"), True),
        (expression("zone", "NotIn", "x"), False),
        (expression("absent", "NotIn", "x"), True),
        (expression("absent", "NotIn"), False),
        (expression("zone", "Exists"), True),
        (expression("zone", "Exists", "x"), False),
        (expression("absent", "Exists"), False),
        (expression("absent", "DoesNotExist"), True),
        (expression("zone", "DoesNotExist"), False),
        (expression("cpus", "Gt", "63"), True),
        (expression("cpus", "Gt", "64"), False),
        (expression("cpus", "Lt", "65"), True),
        (expression("cpus", "Lt", "64"), False),
        (expression("cpus", "Gt", "-1"), True),
        (expression("cpus", "Gt", "1", "2"), False),
        (expression("cpus", "Gt", "1.5"), False),
        (expression("cpus", "Gt", str(1 << 63)), False),
        (expression("zone", "Gt", "1"), False),
        (expression("absent", "Lt", "1"), False),
        (expression("zone", "Near", "x"), False),
        (expression("zone", "in", "x"), False),
    ],
)
def test_an_expression_on_labels_holds_as_in_the_scheduler(said: Any, expected: bool) -> None:  # noqa: FBT001
    assert lands(labelled(said), node(labels={"zone": "x", "cpus": "64"})) == expected


def test_expressions_of_a_term_must_all_hold_and_one_of_the_terms() -> None:
    x, one = expression("zone", "In", "x"), expression("rack", "In", "1")
    both, either = labelled(x, one), affine({"matchExpressions": [x]}, {"matchExpressions": [one]})

    found = [
        (lands(both, on), lands(either, on))
        for on in (node(labels=each) for each in ({"zone": "x"}, {"zone": "x", "rack": "1"}, {}))
    ]

    assert found == [(False, True), (True, True), (False, False)]


def test_a_term_without_expressions_selects_nothing() -> None:
    exists = {"matchExpressions": [expression("zone", "Exists")]}

    assert not lands(affine(), node())
    assert not lands(affine({}), node())
    assert lands(affine({}, exists), node(labels={"zone": "x"}))


def test_a_term_that_cannot_be_read_spoils_no_other() -> None:
    broken = {"matchExpressions": [expression("zone", "Gt", "two")]}
    exists = {"matchExpressions": [expression("zone", "Exists")]}

    assert lands(affine(broken, exists), node(labels={"zone": "x"}))


def test_a_field_names_the_node() -> None:
    def named(operator: str, *names: str, key: str = "metadata.name") -> bool:
        return lands(affine({"matchFields": [expression(key, operator, *names)]}), node("a"))

    assert (named("In", "a"), named("In", "b"), named("NotIn", "a"), named("NotIn", "b")) == (
        True,
        False,
        False,
        True,
    )
    assert not named("In", "a", "b")  # a field has one value
    assert not named("Exists")
    assert not named("In", "a", key="spec.unschedulable")


def test_selector_and_affinity_must_both_hold() -> None:
    spec = {"nodeSelector": {"rack": "1"}, **labelled(expression("zone", "In", "x"))}

    assert lands(spec, node(labels={"zone": "x", "rack": "1"}))
    assert obstacle(constraints(spec), node(labels={"zone": "x"})) == UNSELECTED


def test_what_a_pod_prefers_keeps_it_off_nothing() -> None:
    preferred = {"weight": 1, "preference": {"matchExpressions": [expression("zone", "Exists")]}}
    key = "preferredDuringSchedulingIgnoredDuringExecution"

    assert lands({"affinity": {"nodeAffinity": {key: [preferred]}}}, node())


TAINT = {"key": "gpu", "value": "a100", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"key": "gpu", "operator": "Equal", "value": "a100", "effect": "NoSchedule"}, True),
        ({"key": "gpu", "value": "a100"}, True),
        ({"key": "gpu", "value": "b100"}, False),
        ({"key": "gpu"}, False),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": "", "operator": "Equal", "value": "a100"}, True),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "gpu", "operator": "Gt", "value": "1"}, False),
        ({"key": "gpu", "operator": "Like", "value": "a100"}, False),
    ],
)
def test_a_toleration_fits_a_taint_as_in_the_scheduler(
    toleration: Any,
    expected: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    assert lands({"tolerations": [toleration]}, node(taints=[TAINT])) == expected


@pytest.mark.parametrize(
    ("operator", "asked", "has", "expected"),
    [
        ("Gt", "5", "6", True),
        ("Gt", "6", "6", False),
        ("Lt", "6", "5", True),
        ("Lt", "5", "5", False),
        ("Gt", "-7", "-6", True),
        ("Gt", "05", "6", False),
        ("Gt", "5", "", False),
        ("Lt", "5", str(-(1 << 63)), True),
        ("Lt", "5", str(-(1 << 63) - 1), False),
    ],
)
def test_tolerations_compare_numbers(operator: str, asked: str, has: str, expected: bool) -> None:  # noqa: FBT001
    toleration = {"key": "sla", "operator": operator, "value": asked}
    taint = {"key": "sla", "value": has, "effect": "NoExecute"}

    assert lands({"tolerations": [toleration]}, node(taints=[taint])) == expected


def test_a_taint_that_only_dissuades_keeps_nobody_off() -> None:
    assert lands({}, node(taints=[{**TAINT, "effect": "PreferNoSchedule"}]))


def test_the_taint_that_is_not_tolerated_is_named() -> None:
    first = {"key": "a", "effect": "NoExecute"}
    asked = constraints({"tolerations": [{"key": "a", "operator": "Exists"}]})

    assert obstacle(asked, node(taints=[first, TAINT])) == (
        "taint gpu=a100:NoSchedule not tolerated"
    )


def test_a_cordoned_node_takes_only_who_tolerates_it() -> None:
    cordoned = node(unschedulable=True)
    tolerating = [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]

    assert obstacle(constraints({}), cordoned) == "cordoned"
    assert lands({"tolerations": tolerating}, cordoned)
    assert lands({"tolerations": [{"operator": "Exists"}]}, cordoned)


@pytest.mark.parametrize(
    "spec",
    [
        None,
        [],
        {"nodeSelector": ["zone"], "affinity": "near", "tolerations": {"key": "a"}},
        {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}}},
        {"nodeSelector": None, "affinity": None, "tolerations": None},
        {"tolerations": [None, 3, "Exists"]},
    ],
)
def test_what_the_api_server_would_refuse_says_nothing(spec: Any) -> None:
    assert lands(spec, node())


words = st.sampled_from(["a", "b", "1", "2", "3"])
expressions = st.fixed_dictionaries(
    {
        "key": words,
        "operator": st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]),
        "values": st.lists(words, max_size=2),
    }
)


def valid(one: Mapping[str, Any]) -> bool:
    """Tell whether an API server takes an expression."""
    count = len(one["values"])
    if one["operator"] in ("Gt", "Lt"):
        return count == 1 and one["values"][0].isdigit()
    return count > 0 if one["operator"] in ("In", "NotIn") else count == 0


def true(one: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Say by sets and numbers whether a valid expression holds."""
    has = {labels[one["key"]]} if one["key"] in labels else set()
    numbers = {int(each) for each in has if each.isdigit()}
    bound = int(one["values"][0]) if one["operator"] in ("Gt", "Lt") else 0
    return {
        "In": bool(has & set(one["values"])),
        "NotIn": not has & set(one["values"]),
        "Exists": bool(has),
        "DoesNotExist": not has,
        "Gt": any(each > bound for each in numbers),
        "Lt": any(each < bound for each in numbers),
    }[one["operator"]]


@given(
    terms=st.lists(st.lists(expressions, max_size=3), max_size=3),
    labels=st.dictionaries(words, words, max_size=4),
    selector=st.dictionaries(words, words, max_size=2),
)
def test_nodes_are_selected_as_logic_says(
    terms: list[list[dict[str, Any]]], labels: dict[str, str], selector: dict[str, str]
) -> None:
    spec = {"nodeSelector": selector, **affine(*({"matchExpressions": one} for one in terms))}
    expected = selector.items() <= labels.items() and any(
        bool(term) and all(valid(one) and true(one, labels) for one in term) for term in terms
    )

    assert lands(spec, node(labels=labels)) == expected


effects = ["NoSchedule", "NoExecute", "PreferNoSchedule"]
taints = st.fixed_dictionaries(
    {"key": words, "value": st.sampled_from(["", "a", "b"]), "effect": st.sampled_from(effects)}
)
tolerations = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["", "a", "b"]),
        "operator": st.sampled_from(["", "Equal", "Exists"]),
        "value": st.sampled_from(["", "a", "b"]),
        "effect": st.sampled_from(["", *effects]),
    }
)


@given(st.lists(taints, max_size=3), st.lists(tolerations, max_size=3))
def test_taints_keep_off_whom_no_toleration_lets(
    there: list[dict[str, str]], tolerated: list[dict[str, str]]
) -> None:
    def let(taint: dict[str, str]) -> bool:
        return taint["effect"] == "PreferNoSchedule" or any(
            one["key"] in ("", taint["key"])
            and one["effect"] in ("", taint["effect"])
            and (one["operator"] == "Exists" or one["value"] == taint["value"])
            for one in tolerated
        )

    assert lands({"tolerations": tolerated}, node(taints=there)) == all(map(let, there))
