import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.engines import EngineSettings
from numalocal.sets.memoryask import BOUND_LOCALLY, MemoryAsk
from numalocal.sets.near import MemoryNodes
from numalocal.worker.ask import Ask
from numalocal.worker.inject import PoolNumbers
from numalocal_operator.observing.nodes import node_of
from numalocal_operator.observing.told import Offer, Told
from numalocal_operator.planning.constraints import constraints
from numalocal_operator.planning.numbers import Fleet, can_land, outgrown, together, used

from ..builders import raw_node

GIB = 1 << 30
SMALL = Offer(sets=4, cpus_per_set=16, set_bytes=16 * GIB, node_bytes=64 * GIB)
LARGE = Offer(sets=2, cpus_per_set=112, set_bytes=200 * GIB, node_bytes=512 * GIB)


def telling(**pools: Offer) -> Told:
    return Told(pools=pools)


def fleet(told: Mapping[str, Told], *nodes: Any) -> Fleet:
    return Fleet(told, {one["metadata"]["name"]: node_of(one) for one in nodes})


def pool(of: Fleet, spec: Any = None) -> PoolNumbers | None:
    return of.pools(constraints(spec or {})).get("cpuset")


def test_the_smallest_set_counts_and_the_largest_numa_node() -> None:
    assert together([{"cpuset": SMALL}, {"cpuset": LARGE}]) == {
        "cpuset": PoolNumbers(cpus_per_set=16, set_bytes=16 * GIB, node_bytes=512 * GIB)
    }


def test_what_one_node_does_not_tell_another_does() -> None:
    assert together([{"cpuset": Offer(sets=1)}, {"cpuset": SMALL}, {"cpuset": Offer(sets=1)}]) == {
        "cpuset": PoolNumbers(cpus_per_set=16, set_bytes=16 * GIB, node_bytes=64 * GIB)
    }


BOTH = {"small": telling(cpuset=SMALL), "large": telling(cpuset=LARGE)}


@pytest.mark.parametrize(
    ("small", "cpus"),
    [
        pytest.param(raw_node("small"), 16, id="all is well"),
        pytest.param(raw_node("small", unschedulable=True), 112, id="cordoned"),
        pytest.param(raw_node("small") | {"status": {}}, 112, id="not ready"),
        pytest.param(
            raw_node("small", taints=[{"key": "a", "effect": "NoSchedule"}]), 112, id="tainted"
        ),
    ],
)
def test_nodes_that_take_no_pod_do_not_count(small: Any, cpus: int) -> None:
    numbers = pool(fleet(BOTH, small, raw_node("large")))

    assert numbers is not None
    assert numbers.cpus_per_set == cpus


def test_a_pod_that_selects_the_large_node_is_sized_by_it() -> None:
    of = fleet(BOTH, raw_node("small", {"size": "s"}), raw_node("large", {"size": "l"}))

    found = [pool(of, {"nodeSelector": {"size": size}}) for size in ("s", "l")]

    assert [one and one.cpus_per_set for one in found] == [16, 112]


def test_an_object_whose_node_is_gone_does_not_count() -> None:
    numbers = pool(fleet(BOTH, raw_node("large")))

    assert numbers is not None
    assert numbers.cpus_per_set == 112


def test_where_none_of_them_is_there_objects_count_all_the_same() -> None:
    numbers = pool(fleet(BOTH))

    assert numbers is not None
    assert numbers.cpus_per_set == 16


def test_where_nodes_may_not_be_seen_all_that_tell_count() -> None:
    numbers = pool(Fleet(BOTH, None), {"nodeSelector": {"size": "l"}})

    assert numbers is not None
    assert numbers.cpus_per_set == 16


def test_a_pod_that_can_land_nowhere_yet_is_sized_by_all_who_offer_its_pool() -> None:
    numbers = pool(fleet(BOTH, raw_node("small"), raw_node("large")), {"nodeSelector": {"a": "b"}})

    assert numbers is not None
    assert numbers.cpus_per_set == 16


def test_a_pool_that_nobody_offers_has_no_numbers() -> None:
    assert pool(fleet({"small": telling(other=SMALL)}, raw_node("small"))) is None
    assert pool(fleet({})) is None


@pytest.mark.parametrize(
    ("made", "now", "expected"),
    [
        ((None, None), (None, None), False),
        ((None, None), (16, None), True),
        ((16, None), (16, None), False),
        ((16, None), (8, None), True),
        ((8, None), (16, None), False),
        ((16, 64), (16, 32), True),
        ((16, 32), (16, 64), False),
        ((16, None), (16, 64), True),
        ((16, 64), (None, None), False),
        ((8, 64), (16, 32), True),
    ],
)
def test_a_pod_is_outgrown_by_nodes_with_less_than_it_asks_for(
    made: tuple[int | None, int | None],
    now: tuple[int | None, int | None],
    expected: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    first, second = (
        PoolNumbers(cpus_per_set=cpus, set_bytes=size, node_bytes=1) for cpus, size in (made, now)
    )

    assert outgrown(first, second) == expected


def test_a_pod_that_does_not_say_by_what_it_was_made_is_left_alone() -> None:
    assert not outgrown(None, PoolNumbers(cpus_per_set=4))


def test_the_sets_memory_is_used_where_none_is_asked_for() -> None:
    numbers = PoolNumbers(cpus_per_set=4, set_bytes=8, node_bytes=16)

    def of(per_rank_bytes: int | None, memory: MemoryAsk = BOUND_LOCALLY) -> PoolNumbers:
        ask = Ask(
            ranks=1,
            pool="a",
            engine=EngineSettings(),
            memory_per_rank_bytes=per_rank_bytes,
            memory=memory,
        )
        return used(ask, numbers)

    assert of(None) == PoolNumbers(cpus_per_set=4, set_bytes=8)
    assert of(2) == PoolNumbers(cpus_per_set=4)
    assert of(None, MemoryAsk(nodes=MemoryNodes.MEMORY_ONLY)) == PoolNumbers(cpus_per_set=4)


words = st.sampled_from(["a", "b"])


@given(
    nodes=st.lists(
        st.tuples(st.integers(1, 64), st.dictionaries(words, words), st.booleans()), max_size=6
    ),
    selector=st.dictionaries(words, words),
)
def test_numbers_are_the_least_of_the_nodes_that_a_pod_can_land_on(
    nodes: list[tuple[int, dict[str, str], bool]], selector: dict[str, str]
) -> None:
    told = {
        f"n{at}": telling(cpuset=Offer(sets=1, cpus_per_set=cpus))
        for at, (cpus, _, _) in enumerate(nodes)
    }
    raw = [
        raw_node(f"n{at}", labels, unschedulable=cordoned)
        for at, (_, labels, cordoned) in enumerate(nodes)
    ]
    able = [cpus for cpus, labels, off in nodes if selector.items() <= labels.items() and not off]
    expected = min(able or [cpus for cpus, _, _ in nodes], default=None)

    numbers = pool(fleet(told, *raw), {"nodeSelector": selector})

    assert (numbers and numbers.cpus_per_set) == expected


def test_thousands_of_workers_on_thousands_of_nodes_are_not_each_compared_with_each() -> None:
    names = [f"n{at}" for at in range(5000)]
    nodes = [raw_node(name, {"kubernetes.io/hostname": name, "zone": "x"}) for name in names]
    of = fleet(dict.fromkeys(names, telling(cpuset=SMALL)), *nodes)
    alike = [constraints({"nodeSelector": {"zone": "x"}}) for _ in names]
    pinned = [
        constraints({"nodeSelector": {"zone": "x", "kubernetes.io/hostname": name}})
        for name in names
    ]

    began = time.process_time()
    for one in (*alike, *pinned):
        assert of.pools(one)["cpuset"].cpus_per_set == 16

    # 25 million comparisons would take half a minute.
    assert time.process_time() - began < 10
    assert [one.name for one in of.candidates(pinned[7]) if can_land(pinned[7], one)] == ["n7"]
