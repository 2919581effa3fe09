from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.sets.near import MemoryNodes
from numalocal_operator.observing.topologies import Ability, Offer, Topologies, told

from ..builders import owned, topology


def node(name: str, **cpus: int) -> dict[str, Any]:
    pools = [{"name": pool, "sets": 2, "cpusPerSet": number} for pool, number in cpus.items()]
    return topology(name, pools=pools)


def one_set(cpus: Any, gib: Any = 8, state: str = "Free", **fields: Any) -> dict[str, Any]:
    """Make a set of the pool `cpuset`."""
    size = gib << 30 if type(gib) is int else gib
    return {"pool": "cpuset", "cpus": cpus, "memoryBytes": size, "state": state, **fields}


def offered(*sets: Any, **pool: Any) -> Offer | None:
    """Read what a node offers of the pool `cpuset`, which has these sets."""
    pools = [{"name": "cpuset", "sets": len(sets) or 2, "cpusPerSet": 8, **pool}]
    return told(topology("a", pools=pools, sets=list(sets))).pools.get("cpuset")


def test_before_nodes_are_listed_nothing_is_known() -> None:
    topologies = Topologies()
    topologies.observed(node("a", cpuset=4))
    assert topologies.now() is None

    topologies.listed([])
    assert topologies.now() == {}

    topologies.listed(iter([node("a", cpuset=4), node("b", x=2)]))
    assert {name: one.pools.keys() for name, one in (topologies.now() or {}).items()} == {
        "a": {"cpuset"},
        "b": {"x"},
    }


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


def test_what_is_free_is_told_and_changes_nothing_of_what_is_offered() -> None:
    topologies = Topologies()
    pool = {"name": "cpuset", "sets": 2, "cpusPerSet": 4}
    topologies.listed([topology("a", pools=[{**pool, "free": 2}])])
    version = topologies.version

    topologies.observed(topology("a", pools=[{**pool, "free": 1}]))

    assert [one.free for one in (topologies.now() or {}).values()] == [{"cpuset": 1}]
    assert topologies.version == version


def test_a_node_that_goes_or_offers_less_is_followed() -> None:
    topologies = Topologies()
    topologies.listed([node("a", cpuset=4), node("b", cpuset=8)])

    def versions() -> Iterator[int]:
        for _ in range(2):
            topologies.gone("b")
            yield topologies.version
        for now in (topology("a"), node("a", cpuset=2)):
            for _ in range(2):
                topologies.observed(now)
                yield topologies.version
        topologies.gone("never-there")
        yield topologies.version

    first, *rest = versions()
    assert [one - first for one in rest] == [0, 1, 1, 2, 2, 2]


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


def test_a_node_that_can_do_more_or_less_is_another_to_pods_that_wait() -> None:
    topologies = Topologies()
    topologies.listed([topology("a", memory={"policies": ["Bind"]})])
    before = topologies.version

    topologies.observed(topology("a", memory={"policies": ["Bind"]}))
    assert topologies.version == before
    topologies.observed(topology("a", memory={"policies": ["Bind", "Preferred"]}))
    assert topologies.version == before + 1


def serving(*policies: str, ready: str = "True") -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "reason": "RuntimeUnreachable"}
    return topology("a", memory={"policies": list(policies)}, conditions=[condition])


@pytest.mark.parametrize("relisted", [False, True])
def test_a_node_whose_runtime_is_away_can_what_it_could(
    relisted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    topologies = Topologies()
    topologies.listed([serving("Bind", "Preferred")])

    def policies() -> Any:
        return (topologies.now() or {})["a"].ability.policies

    away = serving("Bind", ready="False")
    topologies.listed([away]) if relisted else topologies.observed(away)
    assert policies() == {"Bind", "Preferred"}, "nothing is given out there, so no pod is to move"
    topologies.observed(serving("Bind"))
    assert policies() == {"Bind"}, "it came back as another"


def test_of_a_node_that_has_never_served_is_known_what_it_tells() -> None:
    topologies = Topologies()
    topologies.listed([serving("Bind", ready="False")])

    found = (topologies.now() or {})["a"].ability

    assert found.policies == frozenset({"Bind"})
    assert not found.serves
