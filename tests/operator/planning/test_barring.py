from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.sets.memoryask import MemoryPolicy
from numalocal_operator.observing.nodes import node_of
from numalocal_operator.observing.told import Ability, Offer, Told
from numalocal_operator.planning.barring import MOST, Barred, barred
from numalocal_operator.planning.demand import demand
from numalocal_operator.planning.fit import occupied, unfit
from numalocal_operator.planning.numbers import Fleet

from ..builders import make_worker, raw_node

GIB = 1 << 30
ABLE = Ability(policies=frozenset(MemoryPolicy), numa_nodes=2)
UNABLE = Ability(policies=frozenset({"Bind"}), why_not="containerd 1.7.24 is too old", numa_nodes=2)
INTERLEAVED = {"memory": {"policy": "Interleave", "nodes": "Any"}}
TAINT = {"key": "gpu", "effect": "NoSchedule"}
NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}


def mixed(**nodes: Any) -> Fleet:
    """Make a fleet of nodes that are able where their names begin with `new`."""
    raw = {name: raw_node(name, **(spec or {})) for name, spec in nodes.items()}
    told = {
        name: Told(
            {"cpuset": Offer(sets=2, cpus_per_set=4)},
            ability=ABLE if name.startswith("new") else UNABLE,
        )
        for name in nodes
    }
    return Fleet(told, {name: node_of(one) for name, one in raw.items()})


def off(fleet: Fleet, **spec: Any) -> tuple[str, ...]:
    return barred(fleet, demand(make_worker(**spec))).nodes


def test_a_worker_that_needs_a_policy_is_kept_off_the_nodes_that_cannot_in_order() -> None:
    fleet = mixed(old2={}, new={}, old1={})

    assert off(fleet, **INTERLEAVED) == ("old1", "old2")
    assert off(fleet) == ()
    assert off(fleet, enforcement="BestEffort", **INTERLEAVED) == ()


@pytest.mark.parametrize(
    "old", [{"unschedulable": True}, {"taints": [NOT_READY]}, {"taints": [TAINT]}]
)
def test_a_node_is_named_that_a_pod_cannot_come_to_now_as_that_passes_or_is_tolerated_by_admission(
    old: dict[str, Any],
) -> None:
    assert off(mixed(old=old, new={}), **INTERLEAVED) == ("old",)


def test_a_node_that_can_counts_though_it_is_tainted_as_admission_may_tolerate_that() -> None:
    fleet = mixed(old={}, new={"taints": [TAINT]})

    assert not barred(fleet, demand(make_worker(**INTERLEAVED))).never
    assert barred(mixed(old={}), demand(make_worker(**INTERLEAVED))).never


def test_nodes_that_are_not_selected_or_have_too_few_sets_are_not_named() -> None:
    template = {"spec": {"containers": [{"name": "engine"}], "nodeSelector": {"size": "l"}}}

    assert off(mixed(old={}), template=template, **INTERLEAVED) == ()
    assert off(mixed(old={}), ranks=3, **INTERLEAVED) == ()


def test_a_node_that_a_sister_has_found_unable_is_named_too() -> None:
    wanted = demand(make_worker(**INTERLEAVED))

    assert barred(mixed(new1={}, new2={}), wanted, seen=["new2"]).nodes == ("new2",)


def test_a_pod_is_kept_off_so_many_nodes_and_no_more() -> None:
    fleet = mixed(**{f"old{at:03}": {} for at in range(MOST + 6)})

    found = barred(fleet, demand(make_worker(**INTERLEAVED)))

    assert found.nodes == tuple(f"old{at:03}" for at in range(MOST))
    assert found.left == 6
    assert found.exposed.startswith(
        "70 nodes cannot bind a pod as it asks, and it is kept off no more than 64 of them"
    )
    assert barred(mixed(old={}), demand(make_worker(**INTERLEAVED))).exposed == ""


def test_a_pod_with_many_terms_is_kept_off_fewer() -> None:
    terms = [{"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}] * 256
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    spec = {"containers": [{"name": "engine"}], "affinity": {"nodeAffinity": required}}
    fleet = mixed(**{f"old{at:03}": {} for at in range(MOST)})

    found = barred(fleet, demand(make_worker(template={"spec": spec}, **INTERLEAVED)))

    assert (len(found.nodes), found.left) == (4, 60)


@pytest.mark.parametrize(
    ("made", "now", "known", "misled"),
    [
        ("", "", "ab", False),
        ("a", "a", "ab", False),
        ("", "a", "ab", True),
        ("a", "", "ab", True),
        ("a", "", "b", False),
        ("ac", "a", "ab", False),
        ("ab", "b", "ab", True),
    ],
)
def test_a_pod_is_misled_where_a_node_became_able_or_unable_and_not_where_one_is_gone(
    made: str,
    now: str,
    known: str,
    misled: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    assert Barred(tuple(now), 0, frozenset(known)).misleads(frozenset(made)) == misled


@given(st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")))
def test_a_pod_that_is_made_anew_is_not_misled_again(now: set[str], known: set[str]) -> None:
    names = tuple(sorted(now & known))

    assert not Barred(names, 0, frozenset(known)).misleads(frozenset(names))


def test_where_none_can_it_is_told_before_a_pod_lands() -> None:
    wanted = demand(make_worker(**INTERLEAVED))

    assert unfit(mixed(old={}, new={}), wanted) == ""
    assert unfit(mixed(old={}), wanted) == (
        "no node can take a replica: node old has a runtime or kernel that cannot set memory "
        "policy Interleave: containerd 1.7.24 is too old"
    )
    assert unfit(mixed(old1={}, old2={}), wanted).endswith(" is too old (one of 2 such nodes)")


def test_a_node_that_is_able_and_kept_off_comes_before_none_that_can_and_after_what_is_short() -> (
    None
):
    said = unfit(mixed(old={}, new={"taints": [TAINT]}), demand(make_worker(**INTERLEAVED)))

    assert said.index("node old has a runtime") < said.index("node new: taint gpu")


def test_a_node_that_cannot_bind_it_is_no_node_that_others_occupy() -> None:
    fleet = mixed(old={}, new={})
    told = {
        "old": Told({"cpuset": Offer(sets=2)}, {"cpuset": 2}),
        "new": Told({"cpuset": Offer(sets=2)}, {"cpuset": 0}),
    }

    said = occupied(fleet, demand(make_worker(**INTERLEAVED)), told)

    assert said == "node new has 0 free of the 1 CPU set of pool cpuset of a replica"


def test_a_worker_is_sized_by_the_nodes_that_can_bind_it() -> None:
    small = Told({"cpuset": Offer(sets=2, cpus_per_set=2)}, ability=UNABLE)
    large = Told({"cpuset": Offer(sets=2, cpus_per_set=8)}, ability=ABLE)
    fleet = Fleet({"old": small, "new": large}, None)
    wanted = demand(make_worker(**INTERLEAVED))

    assert fleet.pools(wanted.asked)["cpuset"].cpus_per_set == 2
    assert fleet.pools(wanted.asked, fleet.unable(wanted).names)["cpuset"].cpus_per_set == 8


def reaching(**reach: int) -> Offer:
    bytes_ = {word: gib * GIB for word, gib in reach.items()}
    return Offer(sets=2, node_bytes=64 * GIB, reach_bytes=bytes_)


@pytest.mark.parametrize(
    ("memory", "said"),
    [
        ({}, "node a has 60.0 GiB of 100.0 GiB per rank"),
        ({"nodes": "Near"}, "node a has 90.0 GiB of 100.0 GiB per rank"),
        ({"nodes": "Any"}, ""),
        ({"onOverflow": "Interleave"}, ""),
        ({"policy": "Preferred"}, ""),
    ],
)
def test_what_a_rank_reaches_by_its_word_counts(memory: dict[str, str], said: str) -> None:
    offer = reaching(Local=60, Near=90, Any=120)
    fleet = Fleet({"a": Told({"cpuset": offer}, ability=ABLE)}, None)

    found = unfit(fleet, demand(make_worker(memory={"perRank": "100Gi", **memory})))

    assert found == (said and f"no node can take a replica: {said}")


def test_a_worker_that_overflows_is_kept_off_nodes_that_cannot_interleave() -> None:
    told = {
        name: Told({"cpuset": reaching(Local=gib, Any=200)}, ability=UNABLE)
        for name, gib in (("small", 60), ("large", 120))
    }
    fleet = Fleet(told, None)

    assert off(fleet, memory={"perRank": "100Gi", "onOverflow": "Interleave"}) == ("small",)
    assert off(fleet, memory={"perRank": "10Gi", "onOverflow": "Interleave"}) == ()
    assert off(fleet, memory={"perRank": "100Gi"}) == (), "its check refuses it there"
