from copy import deepcopy
from fractions import Fraction
from typing import Any

import pytest

from numalocal_operator.observing.nodes import Nodes, Taint, node_of

from ..builders import raw_node


def test_a_node_is_read_with_what_matters_to_where_pods_land() -> None:
    taints = [
        {"key": "a", "value": "b", "effect": "NoSchedule"},
        {"key": "c", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"},
    ]
    raw = raw_node("a", {"zone": "x"}, taints=taints, unschedulable=True)
    raw["status"]["allocatable"] = {"cpu": "7910m", "memory": "16Gi", "pods": "110"}

    node = node_of(raw)

    assert (node.name, node.labels) == ("a", {"zone": "x"})
    assert [str(one) for one in node.taints] == ["a=b:NoSchedule", "c:NoExecute"]
    assert (node.unschedulable, node.ready) == (True, True)
    assert (node.cpus, node.memory_bytes) == (Fraction("7.91"), Fraction(16 << 30))


@pytest.mark.parametrize("status", ["False", "Unknown", None])
def test_a_node_is_ready_that_says_so(status: str | None) -> None:
    raw = raw_node("a")
    raw["status"]["conditions"] = [{"type": "Ready", "status": status}] if status else None

    assert not node_of(raw).ready


def test_a_node_that_has_told_nothing_yet_is_not_ready() -> None:
    node = node_of({"metadata": {"name": "a"}})

    assert (node.ready, node.cpus, node.memory_bytes) == (False, None, None)


@pytest.mark.parametrize("amount", ["", "many", "-1", None])
def test_an_amount_that_cannot_be_read_is_not_told(amount: Any) -> None:
    raw = raw_node("a")
    raw["status"]["allocatable"] = {"cpu": amount, "memory": amount}

    assert (node_of(raw).cpus, node_of(raw).memory_bytes) == (None, None)


def test_a_heartbeat_is_no_news() -> None:
    nodes = Nodes()
    nodes.listed([raw_node("a")])
    version, beat = nodes.version, deepcopy(raw_node("a"))
    beat["metadata"]["resourceVersion"] = "12"
    beat["status"]["conditions"][0]["lastHeartbeatTime"] = "2026-01-02T03:04:05Z"
    beat["status"]["images"] = [{"names": ["x"]}]

    assert not nodes.observed(beat)
    assert nodes.version == version


def test_what_changes_is_news_once() -> None:
    nodes = Nodes()
    nodes.listed([])

    for raw in (raw_node("a"), raw_node("a", unschedulable=True)):
        version = nodes.version
        assert nodes.observed(raw)
        assert nodes.version > version
        assert not nodes.observed(raw)
    assert nodes.gone("a")
    assert not nodes.gone("a")
    assert nodes.now() == {}


def test_before_a_list_nothing_is_known_of_any_node() -> None:
    nodes = Nodes()

    assert not nodes.observed(raw_node("a"))
    assert not nodes.gone("a")
    assert (nodes.now(), nodes.names()) == (None, frozenset())


def test_nodes_that_may_not_be_seen_any_more_are_unknown_again() -> None:
    nodes = Nodes()
    nodes.listed([raw_node("a")])

    nodes.unknown()

    assert nodes.now() is None


def test_what_was_given_is_not_changed_by_events() -> None:
    nodes = Nodes()
    nodes.listed([raw_node("a")])
    before = nodes.now()

    nodes.gone("a")

    assert before is not None
    assert nodes.names() == frozenset()
    assert before.keys() == {"a"}


def test_a_taint_is_named_as_kubectl_does() -> None:
    assert str(Taint("a", "b", "NoSchedule")) == "a=b:NoSchedule"
    assert str(Taint("a", "", "NoExecute")) == "a:NoExecute"
