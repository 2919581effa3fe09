from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.sets.near import MemoryNodes
from numalocal_operator.observing.told import Ability, Offer, told

from ..builders import topology


def one_set(cpus: Any, gib: Any = 8, state: str = "Free", **fields: Any) -> dict[str, Any]:
    """Make a set of the pool `cpuset`."""
    size = gib << 30 if type(gib) is int else gib
    return {"pool": "cpuset", "cpus": cpus, "memoryBytes": size, "state": state, **fields}


def offered(*sets: Any, **pool: Any) -> Offer | None:
    """Read what a node offers of the pool `cpuset`, which has these sets."""
    pools = [{"name": "cpuset", "sets": len(sets) or 2, "cpusPerSet": 8, **pool}]
    return told(topology("a", pools=pools, sets=list(sets))).pools.get("cpuset")


def test_the_smallest_set_of_a_node_counts() -> None:
    small = one_set("32-39,96-101", 56, memoryNodes="1")

    assert offered(one_set("0-7", 64), small, one_set("16-31", 60)) == Offer(
        sets=3, cpus_per_set=8, set_bytes=56 << 30
    )


def test_a_set_that_nobody_gets_now_does_not_count() -> None:
    sets = [one_set("0-7", 64, "Held"), one_set("8", 1, "Unavailable")]

    assert offered(*sets) == Offer(sets=2, cpus_per_set=8, set_bytes=64 << 30)


def test_where_no_set_is_told_the_pools_own_number_counts() -> None:
    assert offered(nodeMemoryBytes=64) == Offer(sets=2, cpus_per_set=8, node_bytes=64)
    assert offered(one_set("0-7", 1, "Unavailable")) == Offer(sets=1, cpus_per_set=8)


def test_sets_of_other_pools_do_not_count() -> None:
    assert offered(one_set("0-15", 4), {**one_set("0", 1), "pool": "small"}) == Offer(
        sets=2, cpus_per_set=16, set_bytes=4 << 30
    )


def test_a_set_may_have_memory_of_several_nodes() -> None:
    found = offered(one_set("0-7", memoryNodes="0"), one_set("8-15", memoryNodes="2-3"))

    assert found is not None
    assert found.memory_nodes == 2


@pytest.mark.parametrize("cpus", ["", "x", "3-1", "0-99999999999", None, 4, ["0"], "0," * 5000])
def test_cpus_that_are_no_list_are_not_told(cpus: Any) -> None:
    assert offered(one_set(cpus, "much")) == Offer(sets=1, cpus_per_set=8)


def test_a_pool_of_which_a_node_has_no_set_is_not_offered() -> None:
    assert offered(sets=0) is None


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
    found = offered(
        {**one_set(""), "memoryBytes": number}, cpusPerSet=number, nodeMemoryBytes=number
    )

    assert found == Offer(sets=1)


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


def ability(**status: Any) -> Ability:
    return told(topology("a", **status)).ability


def test_what_a_node_can_do_with_memory_is_read() -> None:
    memory = {"policies": ["Bind", "Preferred"], "message": "containerd 2.2.1 is too old"}

    assert ability(memory=memory, machine={"numaNodes": 2}) == Ability(
        policies=frozenset({"Bind", "Preferred"}),
        why_not="containerd 2.2.1 is too old",
        numa_nodes=2,
    )


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"memory": None},
        {"memory": ["Bind"]},
        {"memory": {"policies": "Bind"}},
        {"machine": [2], "enforcement": ["BestEffort"], "conditions": {"type": "Ready"}},
        {"machine": {"numaNodes": -1}, "memory": {"message": None}},
    ],
)
def test_an_agent_that_tells_nothing_of_memory_can_do_what_it_always_could(
    status: dict[str, Any],
) -> None:
    assert ability(**status) == Ability()


READY = {"type": "Ready", "status": "True", "message": "NRI is not connected"}


@pytest.mark.parametrize(
    ("enforcement", "reason", "unbound"),
    [
        ("BestEffort", "NotEnforced", "NRI is not connected"),
        ("BestEffort", "Serving", ""),
        ("Required", "NotEnforced", ""),
        (None, "NotEnforced", ""),
    ],
)
def test_a_node_that_serves_without_its_runtime_binds_nothing_now(
    enforcement: str | None, reason: str, unbound: str
) -> None:
    found = ability(enforcement=enforcement, conditions=[{**READY, "reason": reason}])

    assert found.unbound == unbound


@pytest.mark.parametrize(
    ("told_", "reach"),
    [
        ({"Local": 4, "MemoryOnly": 0, "Nearby": 5}, {"Local": 4, "MemoryOnly": 0}),
        ({"Local": -1, "Near": True, "Any": 1 << 63, "Package": "4"}, {}),
        ([4], {}),
        (None, {}),
    ],
)
def test_what_a_rank_reaches_is_read_word_by_word(told_: Any, reach: dict[str, int]) -> None:
    found = offered(reachBytes=told_)

    assert found is not None
    assert found.reach_bytes == reach


def test_what_is_not_told_of_local_nodes_is_counted_as_it_always_was() -> None:
    offer = Offer(sets=1, node_bytes=8, memory_nodes=2, reach_bytes={"Any": 20})

    found = [offer.most_rank_bytes(word) for word in (MemoryNodes.LOCAL, MemoryNodes.ANY)]

    assert found == [16, 20]
    assert offer.most_rank_bytes(MemoryNodes.NEAR) is None
