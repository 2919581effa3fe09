from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.worker.inject import PoolNumbers
from numalocal_operator.observing.nodes import Node
from numalocal_operator.observing.told import Offer, Told
from numalocal_operator.planning.constraints import constraints
from numalocal_operator.planning.numbers import Fleet, outgrown
from numalocal_operator.planning.pod import manifest, mould
from numalocal_operator.planning.shares import room_for_sets_bytes, shared

from ..builders import CONFIG, make_worker

MIB, GIB = 1 << 20, 1 << 30


def node(allocatable_bytes: float | None) -> Node:
    size = None if allocatable_bytes is None else Fraction(allocatable_bytes)
    return Node(name="a", memory_bytes=size)


def offering(**pools: tuple[int, int | None]) -> Told:
    """Let a node tell of pools with so many sets of so many bytes."""
    return Told(pools={name: Offer(sets=n, set_bytes=each) for name, (n, each) in pools.items()})


def shares(told: Told, allocatable_bytes: float | None) -> dict[str, int | None]:
    found = shared(told, node(allocatable_bytes))
    return {name: one.set_bytes for name, one in found.pools.items()}


def test_the_last_set_of_a_node_has_memory_that_its_kubelet_can_give() -> None:
    # 256 GiB, of which the kubelet and its eviction keep 8.
    assert shares(offering(cpuset=(4, 64 * GIB)), 248 * GIB) == {"cpuset": 247 * GIB // 4}


def test_sets_that_all_find_their_memory_keep_it_to_the_byte() -> None:
    told = offering(cpuset=(4, 60 * GIB + 123))

    assert shared(told, node(248 * GIB)) is told


def test_a_share_that_must_be_less_is_in_whole_mebibytes() -> None:
    each_has_bytes = 33 * GIB + 3 * MIB // 2

    told = shares(offering(cpuset=(3, 64 * GIB)), GIB + 3 * each_has_bytes)

    assert told == {"cpuset": 33 * GIB + MIB}


def test_pools_of_a_node_give_way_in_proportion() -> None:
    assert shares(offering(large=(1, 64 * GIB), small=(4, 16 * GIB)), 65 * GIB) == {
        "large": 32 * GIB,
        "small": 8 * GIB,
    }


@pytest.mark.parametrize(
    ("allocatable_bytes", "left_bytes"),
    [(2 * GIB, 256 * MIB), (4 * GIB, 512 * MIB), (8 * GIB, GIB), (2048 * GIB, GIB), (0, 0)],
)
def test_a_gibibyte_is_left_to_others_and_of_small_nodes_an_eighth(
    allocatable_bytes: int, left_bytes: int
) -> None:
    assert allocatable_bytes - room_for_sets_bytes(allocatable_bytes) == left_bytes


@pytest.mark.parametrize("where", [None, node(None)])
def test_where_a_node_does_not_tell_its_sets_keep_what_they_have(where: Any) -> None:
    told = offering(cpuset=(4, 64 * GIB))

    assert shared(told, where) is told


def test_a_pool_that_tells_no_memory_takes_none_from_others() -> None:
    assert shares(offering(a=(2, None), b=(1, 8 * GIB)), 9 * GIB) == {"a": None, "b": 8 * GIB}
    assert shares(offering(a=(2, None), b=(2, 8 * GIB)), 9 * GIB) == {"a": None, "b": 4 * GIB}


@pytest.mark.parametrize("allocatable_bytes", [0, 1, MIB])
def test_a_share_that_comes_to_nothing_is_none(allocatable_bytes: int) -> None:
    assert shares(offering(cpuset=(4, GIB)), allocatable_bytes) == {"cpuset": None}


sizes = st.integers(0, 1 << 44)
pools = st.dictionaries(
    st.sampled_from("abc"), st.tuples(st.integers(1, 512), st.none() | st.integers(1, 1 << 42))
)


@given(pools, sizes)
def test_all_sets_of_a_node_find_what_they_ask_for_beside_what_is_left_to_others(
    offered: dict[str, tuple[int, int | None]], allocatable_bytes: int
) -> None:
    found = shares(offering(**offered), allocatable_bytes)

    asked_bytes = sum(n * (found[name] or 0) for name, (n, _) in offered.items())
    assert asked_bytes <= room_for_sets_bytes(allocatable_bytes)
    assert all((found[name] or 0) <= (each or 0) for name, (_, each) in offered.items())


@given(pools, sizes)
def test_no_more_than_a_mebibyte_of_a_set_is_lost_by_rounding(
    offered: dict[str, tuple[int, int | None]], allocatable_bytes: int
) -> None:
    found = shares(offering(**offered), allocatable_bytes)
    dealt_bytes = sum(n * (each or 0) for n, each in offered.values())
    room_bytes = room_for_sets_bytes(allocatable_bytes)

    for name, (_, each) in offered.items():
        ideal = (each or 0) if dealt_bytes <= room_bytes else (each or 0) * room_bytes / dealt_bytes
        assert ideal - (found[name] or 0) <= MIB + ideal / (1 << 50)


@given(
    sets=st.integers(1, 16),
    gib=st.integers(128, 2048),  # with less a set holds no KV cache of vLLM, and nothing is said
    kept_mib=st.integers(0, 2048),
    ranks=st.integers(1, 4),
    engine=st.sampled_from(["vllm", "llama.cpp", "none"]),
)
def test_workers_that_say_no_memory_fit_on_every_set_of_a_node(
    sets: int, gib: int, kept_mib: int, ranks: int, engine: str
) -> None:
    told = Told(pools={"cpuset": Offer(sets=sets, cpus_per_set=4, set_bytes=gib * GIB // sets)})
    where = node(gib * GIB - kept_mib * MIB)
    numbers = Fleet({"a": told}, {"a": where}).pools(constraints({}))["cpuset"]
    pod = manifest(
        mould(make_worker(engine={"name": engine}, ranks=ranks), numbers, CONFIG), 0, attempt=0
    )

    (asked,) = (one["resources"]["requests"] for one in pod["spec"]["containers"])

    assert where.memory_bytes is not None
    room_bytes = room_for_sets_bytes(int(where.memory_bytes))
    assert sets // ranks * int(asked["memory"]) <= room_bytes


def test_a_pod_made_by_the_whole_share_is_outgrown_only_where_it_has_no_node() -> None:
    """Pods with a node are never asked whether they are: see test_plan."""
    told, where = offering(cpuset=(4, 64 * GIB)), node(248 * GIB)
    now = Fleet({"a": told}, {"a": where}).pools(constraints({}))["cpuset"]

    assert outgrown(PoolNumbers(cpus_per_set=4, set_bytes=64 * GIB), now)
    assert not outgrown(PoolNumbers(cpus_per_set=4, set_bytes=now.set_bytes), now)


def test_the_node_with_the_least_for_a_set_counts() -> None:
    told = offering(cpuset=(4, 64 * GIB))
    fleet = Fleet(
        {"a": told, "b": told}, {"a": node(248 * GIB), "b": replace(node(200 * GIB), name="b")}
    )

    assert fleet.pools(constraints({}))["cpuset"].set_bytes == 199 * GIB // 4
