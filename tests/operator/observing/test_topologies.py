from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.worker.inject import PoolNumbers
from numalocal_operator.observing.topologies import Topologies, told

from ..builders import owned, topology


def node(name: str, **cpus: int) -> dict[str, Any]:
    pools = [{"name": pool, "sets": 2, "cpusPerSet": number} for pool, number in cpus.items()]
    return topology(name, pools=pools)


def test_before_a_node_is_seen_nothing_is_known() -> None:
    assert Topologies().pools() is None


def test_the_largest_of_every_pool_counts() -> None:
    topologies = Topologies()
    pool = {"name": "cpuset", "sets": 2, "cpusPerSet": 4, "nodeMemoryBytes": 64}
    topologies.observed(topology("a", pools=[pool]))
    topologies.observed(node("b", cpuset=8, small=2))

    assert topologies.pools() == {
        "cpuset": PoolNumbers(cpus_per_set=8, node_bytes=64),
        "small": PoolNumbers(cpus_per_set=2),
    }


def test_a_node_that_goes_or_offers_less_is_followed() -> None:
    topologies = Topologies()
    topologies.observed(node("a", cpuset=4))
    topologies.observed(node("b", cpuset=8))

    topologies.gone("b")
    topologies.gone("never-there")
    topologies.observed(topology("a"))

    assert topologies.pools() == {}


def test_a_pool_of_which_a_node_has_no_set_is_not_offered() -> None:
    topologies = Topologies()
    topologies.observed(topology(pools=[{"name": "cpuset", "sets": 0, "cpusPerSet": 0}]))

    assert topologies.pools() == {}


def test_all_nodes_are_listed_before_anything_is_said_of_pools() -> None:
    topologies = Topologies()
    assert topologies.pools() is None

    topologies.listed([])
    assert topologies.pools() == {}

    topologies.listed(iter([node("a", cpuset=4), node("b", x=2)]))
    assert topologies.pools() == {
        "cpuset": PoolNumbers(cpus_per_set=4),
        "x": PoolNumbers(cpus_per_set=2),
    }


@pytest.mark.parametrize(
    "status",
    [
        None,
        [],
        {"pools": None, "sets": None},
        {"pools": {}, "sets": "x"},
        {"pools": [None, [], {}, {"sets": 1}, {"name": "x"}], "sets": [None, {}, {"owner": []}]},
        {"sets": [{"owner": {"uid": "u", "containerID": "c"}}]},
        {"sets": [{"owner": {"uid": "u", "containerID": "c", "started": "Perhaps"}}]},
    ],
)
def test_what_cannot_be_read_is_not_told(status: Any) -> None:
    read = told({"metadata": {"name": "a"}, "status": status})

    assert (read.pools, read.starts) == ({}, {})


@pytest.mark.parametrize("number", [-1, 0, 1e999, 10**4000, True, "4", None, []])
def test_a_number_that_no_node_can_have_is_not_said(number: Any) -> None:
    topologies = Topologies()
    pool = {"name": "cpuset", "sets": 1, "cpusPerSet": number, "nodeMemoryBytes": number}
    topologies.observed(topology("a", pools=[pool]))
    topologies.observed(node("b", cpuset=8))

    assert topologies.pools() == {"cpuset": PoolNumbers(cpus_per_set=8)}


def test_a_node_tells_how_each_container_was_started() -> None:
    topologies = Topologies()
    topologies.observed(topology("a", sets=[owned("p-0", "c-1"), owned("p-1", "c-2", "Unbound")]))

    assert topologies.started("a", "p-0", "c-1") is True
    assert topologies.started("a", "p-1", "c-2") is False
    assert topologies.started("a", "p-0", "c-2") is None, "another container than it told of"
    assert topologies.started("a", "p-0", "c-9") is None, "as after a restart"


def test_a_node_is_believed_about_its_own_containers_alone() -> None:
    topologies = Topologies()
    topologies.observed(topology("stolen", sets=[owned("p-0", "c-1")]))

    assert topologies.started("a", "p-0", "c-1") is None


def test_one_set_of_a_container_that_says_unbound_is_enough() -> None:
    topologies = Topologies()
    sets = [owned("p-0", "c-1", "Bound", 0), owned("p-0", "c-1", "Unbound", 1)]
    for order in (sets, sets[::-1]):
        topologies.observed(topology("a", sets=order))
        assert topologies.started("a", "p-0", "c-1") is False


def test_only_pods_of_which_something_new_is_told_are_named() -> None:
    topologies = Topologies()
    first = topology("a", sets=[owned("p-0", "c-1"), owned("p-1", "c-2")])

    assert topologies.observed(first) == {"p-0", "p-1"}
    assert topologies.observed(first) == frozenset()
    restarted = topology("a", sets=[owned("p-0", "c-1"), owned("p-1", "c-3")])
    assert topologies.observed(restarted) == {"p-1"}
    unbound = topology("a", sets=[owned("p-0", "c-1", "Unbound"), owned("p-1", "c-3")])
    assert topologies.observed(unbound) == {"p-0"}
    assert topologies.gone("a") == {"p-0", "p-1"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["pools", "sets", "owner", "name", "uid", "started", "cpusPerSet"]),
                inner,
                max_size=5,
            )
        ),
        max_leaves=30,
    )
)
def test_no_document_stops_the_reader(status: Any) -> None:
    told({"metadata": {"name": "a"}, "status": status})
