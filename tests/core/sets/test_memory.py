"""Where sets take memory from, on machines whose nodes do not all have some."""

from collections.abc import Iterable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.errors import PoolUnmet
from numalocal.idset import IdSet
from numalocal.machine.model import Machine, NumaNode
from numalocal.sets.partition import Partition, partition
from numalocal.sets.pools import Pool, Size

from ..conftest import GIB, MachineMaker, make_machine

PAIRS = {(one, other): 10 if one == other else 16 if one // 2 == other // 2 else 32
         for one in range(4) for other in range(4)}  # fmt: skip


def with_memory(
    machine: Machine, sizes: Sequence[int], distances: Mapping[tuple[int, int], int] | None = None
) -> Machine:
    """Give the nodes so many GiB; further sizes are nodes without CPUs."""
    far = distances or {}
    ids = range(len(sizes))
    cpus = [node.cpus for node in machine.nodes]
    nodes = tuple(
        NumaNode(
            id=one,
            cpus=cpus[one] if one < len(cpus) else IdSet(),
            memory_bytes=size * GIB,
            distances={other: far[one, other] for other in ids if (one, other) in far},
        )
        for one, size in enumerate(sizes)
    )
    return machine._replace(nodes=nodes, allowed_nodes=IdSet.of(ids))


def dealt(cut: Partition) -> list[tuple[int, str, float]]:
    return [(one.numa_node, str(one.memory_nodes), one.memory_bytes / GIB) for one in cut.sets]


def test_half_of_the_channels_populated(machine: MachineMaker) -> None:
    made = with_memory(machine(nodes=4, cores=8), [32, 0, 32, 0], PAIRS)

    cut = partition(made, [Pool(name="cpuset")])

    assert dealt(cut) == [(0, "0", 14.0), (1, "0", 14.0), (2, "2", 14.0), (3, "2", 14.0)]


def test_all_nodes_at_the_least_distance_lend() -> None:
    far = {(0, 0): 10, (0, 1): 20, (0, 2): 20}
    made = with_memory(make_machine(nodes=3, cores=2, threads=1), [0, 12, 12], far)

    # Four cores own two thirds of each node's memory, two take one third of both.
    assert dealt(partition(made, [Pool(name="cpuset")])) == [
        (0, "1-2", 4.0),
        (1, "1", 4.0),
        (2, "2", 4.0),
    ]


def test_without_distances_every_lender_is_as_near(machine: MachineMaker) -> None:
    made = with_memory(machine(nodes=3), [8, 0, 8])

    assert [nodes for _, nodes, _ in dealt(partition(made, [Pool(name="cpuset")]))] == [
        "0",
        "0,2",
        "2",
    ]


def test_memory_of_a_node_without_cpus_is_nobodys_unless_a_set_has_no_other(
    machine: MachineMaker,
) -> None:
    apart = {(one, other): 10 if one == other else 20 for one in range(3) for other in range(3)}
    beside = {**apart, (1, 2): 14}

    own = with_memory(machine(), [8, 8, 512], apart)
    lent = with_memory(machine(), [8, 0, 512], beside)

    pools = [Pool(name="cpuset")]
    assert dealt(partition(own, pools)) == [(0, "0", 4.0), (1, "1", 4.0)]
    assert dealt(partition(lent, pools)) == [(0, "0", 4.0), (1, "2", 256.0)]


def test_a_devices_memory_is_never_taken(machine: MachineMaker) -> None:
    made = with_memory(machine(), [8, 0, 96], {(1, 0): 20, (1, 2): 12})
    gpu = made.nodes[2]._replace(device_memory=True)
    made = made._replace(nodes=(*made.nodes[:2], gpu))

    assert [nodes for _, nodes, _ in dealt(partition(made, [Pool(name="cpuset")]))] == ["0", "0"]


def test_a_confined_process_takes_memory_from_where_it_may(machine: MachineMaker) -> None:
    made = with_memory(machine(nodes=4, cores=8), [32, 0, 32, 0], PAIRS)

    cut = partition(made._replace(allowed_nodes=IdSet.of([2])), [Pool(name="cpuset")])

    assert [nodes for _, nodes, _ in dealt(cut)] == ["0", "2", "2", "2"]


def test_a_node_that_no_pool_cuts_takes_nothing(machine: MachineMaker) -> None:
    made = with_memory(machine(nodes=2), [8, 0])

    cut = partition(made, [Pool(name="cpuset", nodes=IdSet.of([0]))])

    assert dealt(cut) == [(0, "0", 4.0)]


def test_a_machine_without_any_memory_gives_no_set(machine: MachineMaker) -> None:
    with pytest.raises(PoolUnmet, match=r"nodes 0-1 have 2 but no memory\)"):
        partition(with_memory(machine(), [0, 0]), [Pool(name="cpuset")])


def test_memory_that_is_said_counts_on_the_node_that_lends_it(machine: MachineMaker) -> None:
    made = with_memory(machine(nodes=2), [8, 0])

    with pytest.raises(PoolUnmet) as refused:
        partition(made, [Pool(name="cpuset", memory_bytes=5 * GIB)])

    assert str(refused.value) == (
        "the sets on NUMA nodes 0-1 are promised 10.0 GiB and NUMA node 0 has 8.0 GiB besides "
        "huge pages; lower pools[].memory"
    )


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    """Draw nodes with and without CPUs, memory, a device and leave to use them."""
    cpu_nodes = draw(st.integers(1, 5))
    sizes = draw(st.lists(st.integers(0, 64), min_size=cpu_nodes, max_size=7))
    steps = draw(st.lists(st.sampled_from([12, 20, 32]), min_size=49, max_size=49))
    far = {(one, other): steps[7 * one + other] for one in range(7) for other in range(7)}
    made = with_memory(make_machine(nodes=cpu_nodes, cores=draw(st.integers(1, 5))), sizes, far)
    devices = draw(st.sets(st.integers(0, 6)))
    return made._replace(
        nodes=tuple(node._replace(device_memory=node.id in devices) for node in made.nodes),
        allowed_nodes=IdSet.of(draw(st.sets(st.integers(0, 6)))) & made.allowed_nodes,
    )


@given(machine=machines(), size=st.sampled_from([1, 2, "numa"]))
def test_no_node_lends_more_than_it_has(machine: Machine, size: Size) -> None:
    try:
        cut = partition(machine, [Pool(name="cpuset", size=size, reserve=0)])
    except PoolUnmet:
        return

    def usable(nodes: Iterable[int]) -> int:
        return sum(machine.node(node).usable_memory_bytes for node in nodes)

    for sources in {one.memory_nodes for one in cut.sets}:
        takers = [one for one in cut.sets if one.memory_nodes <= sources]
        assert sum(one.memory_bytes for one in takers) <= usable(sources)
        assert sources
        assert not any(machine.node(node).device_memory for node in sources)
    every = {node for one in cut.sets for node in one.memory_nodes}
    assert sum(one.memory_bytes for one in cut.sets) <= usable(every)
    for one in cut.sets:
        own = machine.node(one.numa_node).lends_memory
        assert (one.memory_nodes == IdSet.of([one.numa_node])) == own
