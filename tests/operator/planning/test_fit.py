import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal_operator.observing.nodes import node_of
from numalocal_operator.observing.told import Offer, Told
from numalocal_operator.planning.demand import demand
from numalocal_operator.planning.fit import occupied, unfit
from numalocal_operator.planning.numbers import Fleet

from ..builders import make_worker, raw_node

GIB = 1 << 30
HOST = "kubernetes.io/hostname"
CONTAINERS = {"containers": [{"name": "engine"}]}
TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


def offer(sets: int = 2, gib: int = 64, **fields: Any) -> Offer:
    return Offer(sets=sets, cpus_per_set=4, node_bytes=gib * GIB, **fields)


def sized(name: str, cpu: str, memory: str, **spec: Any) -> dict[str, Any]:
    """Make a node with something to give to pods."""
    raw = raw_node(name, **spec)
    raw["status"]["allocatable"] = {"cpu": cpu, "memory": memory}
    return raw


def verdict(nodes: Sequence[tuple[Any, Offer | None]], **spec: Any) -> str:
    """Judge a worker by nodes and what each has of its pool."""
    told = {
        raw["metadata"]["name"]: Told({"cpuset": has} if has else {"other": offer()})
        for raw, has in nodes
    }
    fleet = Fleet(told, {raw["metadata"]["name"]: node_of(raw) for raw, _ in nodes})
    return unfit(fleet, demand(make_worker(**spec)))


def test_a_replica_that_fits_a_node_is_well() -> None:
    assert verdict([(raw_node("a"), offer(1)), (raw_node("b"), offer(2))], ranks=2) == ""


@pytest.mark.parametrize(
    ("nodes", "spec", "why"),
    [
        pytest.param(
            [(raw_node("a"), offer(2)), (raw_node("b"), offer(1))],
            {"ranks": 4},
            "node a has 2 of 4 CPU sets of pool cpuset (the most of 2 nodes)",
            id="too few sets",
        ),
        pytest.param(
            [(raw_node("a"), offer(gib=64))],
            {"memory": {"perRank": "128Gi"}},
            "node a has 64.0 GiB of 128.0 GiB per rank",
            id="too little memory on a NUMA node",
        ),
        pytest.param(
            [(sized("a", "8", "100Gi"), offer(gib=64))],
            {"ranks": 2, "memory": {"perRank": "60Gi"}},
            "node a has 100.0 GiB for pods of 120.0 GiB for all ranks",
            id="too little memory for pods",
        ),
        pytest.param(
            [(raw_node("a"), None), (raw_node("b"), None)],
            {},
            "2 nodes: no pool cpuset",
            id="no pool",
        ),
        pytest.param(
            [(raw_node("a", unschedulable=True), offer())], {}, "node a: cordoned", id="cordoned"
        ),
        pytest.param(
            [(raw_node("a") | {"status": {}}, offer())], {}, "node a: not ready", id="not ready"
        ),
        pytest.param(
            [(raw_node(name, taints=[TAINT]), offer()) for name in "abc"],
            {},
            "3 nodes: taint gpu=yes:NoSchedule not tolerated",
            id="tainted",
        ),
        pytest.param([], {}, "no node offers pool cpuset", id="no node at all"),
    ],
)
def test_the_nearest_miss_is_told_in_numbers(nodes: Any, spec: dict[str, Any], why: str) -> None:
    assert verdict(nodes, **spec) == f"no node can take a replica: {why}"


def test_a_request_for_more_cpus_than_any_node_has_is_told() -> None:
    container = {"name": "engine", "resources": {"requests": {"cpu": "16.5"}}}
    fleet = Fleet({"a": Told({"cpuset": offer()})}, {"a": node_of(sized("a", "7910m", "64Gi"))})

    said = unfit(fleet, demand(make_worker(container)))

    assert said == "no node can take a replica: node a has 7.91 of 16.5 CPUs"


def test_what_the_worker_can_change_comes_first_and_hopeless_nodes_last() -> None:
    said = verdict(
        [
            (raw_node("a"), None),
            (raw_node("b", taints=[TAINT]), offer(1)),
            (raw_node("c", taints=[{**TAINT, "key": "big"}]), offer(4)),
            (raw_node("d"), offer(2)),
        ],
        ranks=4,
    )

    assert said == (
        "no node can take a replica: node d has 2 of 4 CPU sets of pool cpuset; "
        "node c: taint big=yes:NoSchedule not tolerated; "
        "node b: taint gpu=yes:NoSchedule not tolerated; node a: no pool cpuset"
    )


def test_memory_that_a_set_has_of_several_numa_nodes_may_be_enough() -> None:
    memory = {"perRank": "100Gi"}

    assert verdict([(raw_node("a"), offer(gib=64, memory_nodes=2))], memory=memory) == ""
    assert verdict([(raw_node("a"), offer(gib=64))], memory=memory) != ""


def test_what_is_not_told_is_not_held_against_a_node() -> None:
    assert verdict([(raw_node("a"), Offer(sets=1))], memory={"perRank": "1Ti"}) == ""


def test_a_worker_that_asks_for_no_memory_fits_any() -> None:
    assert verdict([(sized("a", "1", "1Mi"), offer(gib=1))]) == ""


def test_without_a_right_to_see_nodes_their_objects_alone_are_judged() -> None:
    worker = make_worker(ranks=4)

    small, large = (Fleet({"a": Told({"cpuset": offer(sets)})}, None) for sets in (2, 4))

    assert "node a has 2 of 4" in unfit(small, demand(worker))
    assert unfit(large, demand(worker)) == ""


def test_a_sentence_about_thousands_of_nodes_is_short_and_soon_there() -> None:
    taints = [{"key": f"team-{at % 500}", "effect": "NoSchedule"} for at in range(5000)]
    nodes = [
        (raw_node(f"n{at}", taints=[taint] if at % 2 else []), offer(at % 4))
        for at, taint in enumerate(taints)
    ]
    told = {raw["metadata"]["name"]: Told({"cpuset": has}) for raw, has in nodes}
    fleet = Fleet(told, {raw["metadata"]["name"]: node_of(raw) for raw, _ in nodes})
    wanted = demand(make_worker(ranks=8))

    began = time.process_time()
    said = [unfit(fleet, wanted) for _ in range(5000)]

    assert time.process_time() - began < 10, "25 million comparisons take longer"
    assert len(set(said)) == 1
    assert said[0].startswith("no node can take a replica: node n2 has 2 of 8 CPU sets of pool")
    assert said[0].endswith("more nodes")
    assert len(said[0]) < 1000


@pytest.mark.parametrize("length", [63, 253, 5000])
def test_a_long_name_makes_no_long_sentence(length: int) -> None:
    assert len(verdict([(raw_node("n" * length), offer(1))], ranks=2)) < 300


def free(counts: dict[str, int], sets: int = 2, ranks: int = 2) -> str:
    """Say what is free of nodes with so many free sets each."""
    told = {
        name: Told({"cpuset": offer(sets)}, {"cpuset": count}) for name, count in counts.items()
    }
    fleet = Fleet(told, {name: node_of(raw_node(name)) for name in told})
    return occupied(fleet, demand(make_worker(ranks=ranks)), told)


def test_sets_that_others_hold_now_are_told_in_numbers() -> None:
    assert free({"a": 1}) == "node a has 1 free of the 2 CPU sets of pool cpuset of a replica"
    assert free({"a": 0, "b": 1}).endswith(", the most of 2 nodes that could take it")
    assert free({"a": 0}, ranks=1).startswith("node a has 0 free of the 1 CPU set of pool cpuset")


def test_where_a_node_has_room_nothing_is_said() -> None:
    assert free({"a": 1, "b": 2}) == ""


def test_a_node_that_never_could_is_not_said_to_be_occupied() -> None:
    assert free({"a": 1}, sets=1) == ""
    assert free({}) == ""


@given(
    st.lists(st.tuples(st.integers(1, 8), st.booleans(), st.booleans()), max_size=8),
    st.integers(1, 8),
)
def test_something_is_said_exactly_where_no_node_can_take_it(
    nodes: list[tuple[int, bool, bool]], ranks: int
) -> None:
    fits = any(sets >= ranks and not (off or tainted) for sets, off, tainted in nodes)
    seen = [
        (raw_node(f"n{at}", unschedulable=off, taints=[TAINT] if tainted else []), offer(sets))
        for at, (sets, off, tainted) in enumerate(nodes)
    ]

    assert (verdict(seen, ranks=ranks) == "") == fits


def selecting(fleet: Fleet, ranks: int = 1, **selector: str) -> str:
    template = {"spec": {"containers": [{"name": "engine"}], "nodeSelector": selector}}
    return unfit(fleet, demand(make_worker(template=template, ranks=ranks)))


def test_nodes_that_are_not_selected_are_counted_after_those_that_are() -> None:
    labels = {"a": {"zone": "x"}, "b": {"zone": "y"}, "c": {}}
    told = {name: Told({"cpuset": offer()}) for name in labels}
    fleet = Fleet(told, {name: node_of(raw_node(name, each)) for name, each in labels.items()})

    assert selecting(fleet, zone="x") == ""
    assert selecting(fleet, ranks=3, zone="x") == (
        "no node can take a replica: node a has 2 of 3 CPU sets of pool cpuset; "
        "2 nodes: not selected by nodeSelector or node affinity"
    )
    assert selecting(fleet, zone="z").endswith(
        ": 3 nodes: not selected by nodeSelector or node affinity"
    )


def test_workers_that_are_each_pinned_to_a_node_are_not_compared_with_all_nodes() -> None:
    names = [f"n{at}" for at in range(5000)]
    nodes = {name: node_of(raw_node(name, {"kubernetes.io/hostname": name})) for name in names}
    fleet = Fleet({name: Told({"cpuset": offer(at % 2)}) for at, name in enumerate(names)}, nodes)
    wanted = [
        demand(make_worker(template={"spec": {**CONTAINERS, "nodeSelector": {HOST: name}}}))
        for name in names
    ]

    began = time.process_time()
    said = [unfit(fleet, one) for one in wanted]

    assert time.process_time() - began < 10, "25 million comparisons take longer"
    assert [bool(one) for one in said[:4]] == [True, False, True, False]
