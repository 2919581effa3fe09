from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.sets.memoryask import Enforcement, MemoryAsk, MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes
from numalocal_operator.observing.told import Ability, Offer
from numalocal_operator.planning.ability import counted, inability, needed
from numalocal_operator.planning.constraints import Constraints
from numalocal_operator.planning.demand import Demand

GIB = 1 << 30
OLD_RUNTIME = "containerd 1.7.24 carries no memory policy, 2.3 and later do"
ABLE = Ability(policies=frozenset(MemoryPolicy), numa_nodes=2)
BIND_ALONE = Ability(policies=frozenset({"Bind"}), why_not=OLD_RUNTIME, numa_nodes=2)
OLDER = Ability(numa_nodes=2)
REACH = {
    "Local": 64 * GIB,
    "Near": 64 * GIB,
    "MemoryOnly": 0,
    "Package": 64 * GIB,
    "Any": 128 * GIB,
}
OFFER = Offer(sets=2, reach_bytes=REACH)


def asking(
    policy: str = "Bind",
    nodes: str = "Local",
    overflow: str = "Refuse",
    gib: int | None = None,
    **fields: Any,
) -> Demand:
    memory = MemoryAsk(MemoryPolicy(policy), MemoryNodes(nodes), Overflow(overflow))
    size = None if gib is None else gib * GIB
    asked: dict[str, Any] = {"ranks": 1, "pool": "cpuset", "cpus": None, "asked": Constraints()}
    return Demand(**{**asked, "per_rank_bytes": size, "memory": memory, **fields})


def why(ability: Ability, wanted: Demand, offer: Offer = OFFER) -> str:
    found = inability(ability, offer, wanted)
    return "" if found is None else found.text


@pytest.mark.parametrize("policy", ["Preferred", "Interleave", "WeightedInterleave"])
def test_a_runtime_that_carries_no_policy_is_named_with_its_version(policy: str) -> None:
    wanted = asking(policy, ranks=2)

    assert why(
        BIND_ALONE, wanted
    ) == f"a runtime or kernel that cannot set memory policy {policy}: " + (OLD_RUNTIME)
    assert why(ABLE, wanted) == ""


@pytest.mark.parametrize(
    ("wanted", "policy"),
    [
        pytest.param(asking(), "Bind", id="the default"),
        pytest.param(asking("Interleave"), "Bind", id="one rank with one node"),
        pytest.param(asking("Interleave", ranks=2), "Interleave", id="ranks on several nodes"),
        pytest.param(asking("Interleave", "Any"), "Interleave", id="several nodes"),
        pytest.param(asking("Interleave", "Near"), "Bind", id="no tier is near"),
        pytest.param(asking("Interleave", "Near", ranks=2), "Interleave", id="ranks of several"),
        pytest.param(asking("Preferred"), "Preferred", id="from one node first"),
        pytest.param(asking("Preferred", "Any"), "Bind", id="no node is left to come second"),
        pytest.param(asking(overflow="Interleave"), "Bind", id="nothing says how much"),
        pytest.param(asking(overflow="Interleave", gib=64), "Bind", id="it just fits"),
        pytest.param(asking(overflow="Interleave", gib=65), "Interleave", id="it overflows"),
        pytest.param(
            asking("WeightedInterleave", overflow="Interleave", gib=65),
            "WeightedInterleave",
            id="it overflows by weights",
        ),
        pytest.param(
            asking("Preferred", overflow="Interleave", gib=65), "Preferred", id="has all already"
        ),
    ],
)
def test_a_node_needs_the_policy_that_its_agent_will_set(wanted: Demand, policy: str) -> None:
    assert needed(ABLE, OFFER, wanted) == policy
    assert (why(BIND_ALONE, wanted) == "") == (policy == "Bind")


def test_a_machine_with_one_numa_node_needs_no_policy() -> None:
    single = Ability(policies=frozenset({"Bind"}), numa_nodes=1)

    assert why(single, asking("Interleave", "Any", ranks=2)) == ""
    assert why(Ability(numa_nodes=1), asking(nodes="Any")) == "", "nor a newer agent"


def test_a_set_with_memory_of_several_nodes_has_something_to_interleave() -> None:
    wide = Offer(sets=2, memory_nodes=2, reach_bytes=REACH)

    assert needed(ABLE, wide, asking("Interleave")) == "Interleave"


def test_an_agent_that_does_not_tell_can_bind_to_local_nodes_alone() -> None:
    assert why(OLDER, asking(gib=1000)) == ""
    assert why(OLDER, asking(nodes="Any")).startswith("an agent of an older release, ")
    assert why(OLDER, asking("Preferred")).startswith("an agent of an older release, ")
    assert why(OLDER, asking("Preferred")).endswith("memory policy Preferred of nodes Local")


def test_a_node_without_memory_only_nodes_is_told_where_they_are_asked_for() -> None:
    assert why(ABLE, asking(nodes="MemoryOnly")) == "no memory that memory.nodes MemoryOnly means"
    assert why(ABLE, asking(nodes="Near")) == ""
    assert why(ABLE, asking(nodes="MemoryOnly"), Offer(sets=1)) == "", "it is not told"


def test_where_nothing_is_bound_now_nobody_is_who_must_be() -> None:
    away = Ability(policies=ABLE.policies, unbound="NRI is not connected", numa_nodes=2)

    assert why(away, asking()) == "no runtime that binds containers now: NRI is not connected"


def test_a_tier_beside_a_small_node_is_more_than_the_largest_node_has() -> None:
    uneven = Offer(sets=2, reach_bytes={**REACH, "MemoryOnly": 16 * GIB})

    assert uneven.reach_bytes["Near"] == uneven.reach_bytes["Local"]
    assert needed(ABLE, uneven, asking("Interleave", "Near")) == "Interleave"
    assert needed(ABLE, uneven, asking("Interleave")) == "Bind"


@pytest.mark.parametrize(
    ("ability", "refuses"),
    [
        pytest.param(ABLE, True, id="there is none"),
        pytest.param(BIND_ALONE, False, id="there may be one that only a policy can bind to"),
        pytest.param(OLDER, False, id="an older agent"),
        pytest.param(replace(ABLE, unbound="away"), False, id="nobody who would refuse"),
    ],
)
def test_who_may_run_unbound_is_kept_off_a_node_without_the_memory_that_he_names(
    ability: Ability, *, refuses: bool
) -> None:
    wanted = asking(nodes="MemoryOnly", enforcement=Enforcement.BEST_EFFORT)

    assert (why(ability, wanted) != "") == refuses
    assert why(ability, replace(wanted, memory=MemoryAsk(nodes=MemoryNodes.NEAR))) == ""


@pytest.mark.parametrize("ability", [BIND_ALONE, OLDER, Ability(unbound="away")])
def test_who_may_run_unbound_is_kept_off_no_node_for_what_it_cannot_set(ability: Ability) -> None:
    wanted = asking("Interleave", "MemoryOnly", enforcement=Enforcement.BEST_EFFORT)

    assert why(ability, wanted) == ""


def test_only_what_no_agent_and_no_runtime_mends_by_coming_back_lasts() -> None:
    found = [
        inability(ability, OFFER, asking(nodes=nodes, policy="Interleave"))
        for ability, nodes in (
            (BIND_ALONE, "Any"),
            (ABLE, "MemoryOnly"),
            (replace(BIND_ALONE, serves=False), "Any"),
            (OLDER, "Any"),
            (Ability(unbound="away"), "Any"),
        )
    ]

    assert [one.lasting for one in found if one] == [True, True, False, False, False]


def test_what_a_node_says_is_clipped() -> None:
    talking = Ability(policies=frozenset(), why_not="x\n\x1b" + "y" * 5000)

    said = why(talking, asking("Preferred"))

    assert len(said) < 1200
    assert said.isprintable()


@pytest.mark.parametrize(
    ("memory", "word"),
    [
        (MemoryAsk(), "Local"),
        (MemoryAsk(nodes=MemoryNodes.NEAR), "Near"),
        (MemoryAsk(on_overflow=Overflow.INTERLEAVE), "Any"),
        (MemoryAsk(policy=MemoryPolicy.PREFERRED), "Any"),
        (MemoryAsk(policy=MemoryPolicy.INTERLEAVE), "Local"),
    ],
)
def test_the_memory_of_all_nodes_counts_that_a_rank_may_have(memory: MemoryAsk, word: str) -> None:
    assert counted(memory) == word


abilities = st.builds(
    Ability,
    policies=st.none() | st.frozensets(st.sampled_from(list(MemoryPolicy))),
    why_not=st.text(max_size=5),
    unbound=st.sampled_from(["", "away"]),
    numa_nodes=st.none() | st.integers(1, 3),
)
offers = st.builds(
    Offer,
    sets=st.just(2),
    memory_nodes=st.integers(1, 2),
    node_bytes=st.none() | st.integers(1, 4),
    reach_bytes=st.dictionaries(st.sampled_from(list(MemoryNodes)), st.integers(0, 4)),
)
demands = st.builds(
    Demand,
    ranks=st.integers(1, 2),
    pool=st.just("cpuset"),
    per_rank_bytes=st.none() | st.integers(1, 4),
    cpus=st.none(),
    asked=st.just(Constraints()),
    memory=st.builds(MemoryAsk),
)


@given(abilities, offers, demands)
def test_nothing_but_memory_policies_and_nodes_keeps_a_plain_pod_off_a_node_that_binds(
    ability: Ability, offer: Offer, wanted: Demand
) -> None:
    found = inability(ability, offer, wanted)
    able = Ability(policies=frozenset(MemoryPolicy), numa_nodes=ability.numa_nodes)
    tier = wanted.memory.nodes is MemoryNodes.MEMORY_ONLY

    assert (inability(ability, offer, replace(wanted, memory=MemoryAsk())) is None) == (
        not ability.unbound
    )
    assert found is None or found.text.isprintable()
    assert (inability(able, offer, wanted) is not None) == (
        tier and offer.reach_bytes.get(MemoryNodes.MEMORY_ONLY) == 0
    )


def test_a_tier_with_as_much_memory_as_its_neighbour_is_still_another() -> None:
    alike = Offer(
        sets=2, reach_bytes={"Local": 4, "MemoryOnly": 4, "Near": 8, "Package": 12, "Any": 12}
    )

    assert needed(ABLE, alike, asking("Interleave", "MemoryOnly")) == "Interleave"
    assert needed(ABLE, alike, asking("Interleave", "Near")) == "Interleave"
    assert needed(ABLE, alike, asking("Preferred", "Near")) == "Preferred"
    assert needed(ABLE, alike, asking("Preferred", "Package")) == "Bind", "it is all there is"
