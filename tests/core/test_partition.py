from itertools import combinations
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.errors import PoolUnmet
from numalocal.idset import union
from numalocal.machine import Machine
from numalocal.partition import partition
from numalocal.pools import DEFAULT_POOLS, Pool

from .conftest import GIB, MachineMaker, make_machine

machines = st.builds(
    make_machine,
    nodes=st.integers(1, 8),
    cores=st.integers(2, 12),
    threads=st.sampled_from([1, 2, 4, 8]),
)
sizes: st.SearchStrategy[int | Literal["numa"]] = st.sampled_from([1, 2, 3, 4, "numa"])


@given(machine=machines, size=sizes, reserve=st.integers(1, 3))
def test_sets_are_disjoint_whole_cores_of_one_node_and_leave_cpu_0_shared(
    machine: Machine, size: int | Literal["numa"], reserve: int
) -> None:
    try:
        cut = partition(machine, [Pool(name="cpuset", size=size, reserve=reserve)])
    except PoolUnmet:
        largest = max(len(machine.cores_of(node.id)) for node in machine.nodes)
        assert largest - reserve < (1 if size == "numa" else size)
        return

    assert all(one.cpus.isdisjoint(other.cpus) for one, other in combinations(cut.sets, 2))
    for one in cut.sets:
        cores = machine.cores_within(one.cpus)
        assert one.cpus == union(core.cpus for core in cores)
        assert {one.numa_node} == {core.numa_node for core in cores}
    assert 0 in cut.shared
    assert machine.online == cut.shared | union(one.cpus for one in cut.sets)


@given(machine=machines, size=st.integers(1, 4))
def test_ids_are_unique_and_short_enough_for_the_kubelet(machine: Machine, size: int) -> None:
    pools = [Pool(name="small", size=1), Pool(name="p" * 40, size="numa")]
    try:
        cut = partition(machine, pools)
    except PoolUnmet:
        return

    ids = [one.id for one in cut.sets]
    assert len(set(ids)) == len(ids)
    assert all(len(one) <= 63 for one in ids)


@given(machine=machines, size=st.integers(1, 4))
def test_sets_never_promise_more_memory_than_their_node_has(machine: Machine, size: int) -> None:
    try:
        cut = partition(machine, [Pool(name="cpuset", size=size)])
    except PoolUnmet:
        return

    for node in machine.nodes:
        promised = sum(one.memory_bytes for one in cut.sets if one.numa_node == node.id)
        assert promised <= node.usable_memory_bytes


def test_the_default_pool_is_one_set_per_node(machine: MachineMaker) -> None:
    cut = partition(machine(), DEFAULT_POOLS)

    assert [one.id for one in cut.sets] == ["cpuset-n0-c2x2", "cpuset-n1-c6x2"]
    assert [(str(one.cpus), one.numa_node) for one in cut.sets] == [("2-3", 0), ("6-7", 1)]
    assert str(cut.shared) == "0-1,4-5"
    assert [one.memory_bytes for one in cut.sets] == [4 * GIB, 4 * GIB]


def test_several_pools_share_a_node(machine: MachineMaker) -> None:
    pools = [Pool(name="big", size=3), Pool(name="small", size=1)]

    cut = partition(machine(nodes=1, cores=6), pools)

    assert [str(one.cpus) for one in cut.of_pool("big")] == ["2-7"]
    assert [str(one.cpus) for one in cut.of_pool("small")] == ["8-9", "10-11"]


def test_a_pool_that_cannot_be_met_says_the_machines_numbers(machine: MachineMaker) -> None:
    with pytest.raises(PoolUnmet) as refused:
        partition(machine(cores=3), [Pool(name="big", size=4)])

    assert (
        str(refused.value) == "pool big: no NUMA node has 4 cores left besides 1 reserved "
        "(cores: node 0 has 3, node 1 has 3); use a smaller size or reserve, or another machine"
    )
