"""Partition, over random machines; real ones are cut in test_captures.py."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.errors import PoolUnmet
from numalocal.idset import IdSet, union
from numalocal.machine.model import KINDS, Machine
from numalocal.sets.partition import Partition, partition
from numalocal.sets.pools import Pool, Size, default_pools

from ..conftest import GIB, MachineMaker, make_machine

machines = st.builds(
    make_machine,
    nodes=st.integers(1, 6),
    cores=st.integers(2, 12),
    threads=st.sampled_from([1, 2, 4, 8]),
    l3=st.sampled_from([None, 2, 3, 4]),
)
sizes: st.SearchStrategy[Size] = st.sampled_from([1, 2, 3, 4, "numa", "l3"])
pools_of_a_file = st.lists(
    st.builds(
        Pool,
        name=st.sampled_from(["a", "b", "c"]),
        size=sizes,
        reserve=st.integers(1, 3),
        nodes=st.none() | st.builds(IdSet, st.sets(st.integers(0, 6), min_size=1)),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda pool: pool.name,
)


def cut_or_none(machine: Machine, pools: list[Pool]) -> Partition | None:
    try:
        return partition(machine, pools)
    except PoolUnmet:
        return None


@given(machine=machines, pools=pools_of_a_file)
def test_sets_are_disjoint_whole_cores_of_one_node_and_leave_cpu_0_shared(
    machine: Machine, pools: list[Pool]
) -> None:
    cut = cut_or_none(machine, pools)
    if cut is None:
        return

    assert all(one.cpus.isdisjoint(other.cpus) for one, other in combinations(cut.sets, 2))
    for one in cut.sets:
        cores = machine.cores_of_cpus(one.cpus)
        assert one.cpus == union(core.cpus for core in cores)
        assert {one.numa_node} == {core.numa_node for core in cores}
        nodes = cut.pool(one.pool).nodes
        assert nodes is None or one.numa_node in nodes
    assert 0 in cut.shared
    assert machine.allowed == cut.shared | union(one.cpus for one in cut.sets)
    for node in machine.nodes:
        reserve = max(
            (p.reserve for p in pools if p.nodes is None or node.id in p.nodes), default=0
        )
        left = [core for core in machine.cores_of(node.id) if core.cpus <= cut.shared]
        assert len(left) >= min(reserve, len(machine.cores_of(node.id)))


@given(machine=machines, size=st.integers(1, 5), reserve=st.integers(1, 3))
def test_as_many_sets_as_there_can_be_lie_within_one_l3(
    machine: Machine, size: int, reserve: int
) -> None:
    cut = cut_or_none(machine, [Pool(name="cpuset", size=size, reserve=reserve)])
    sets = () if cut is None else cut.sets
    for node in machine.nodes:
        ours = [one for one in sets if one.numa_node == node.id]
        free = machine.cores_of(node.id)[reserve:]
        groups = [
            sum(core.cpus <= near for core in free) for near in machine.l3 if near & node.cpus
        ] or [len(free)]
        within = [one for one in ours if any(one.cpus <= near for near in machine.l3)]

        assert len(ours) == len(free) // size
        assert not machine.l3 or len(within) >= sum(group // size for group in groups)


@given(machine=machines)
def test_a_set_of_size_l3_is_what_its_cache_has_besides_the_reserve(machine: Machine) -> None:
    cut = cut_or_none(machine, [Pool(name="cpuset", size="l3")])
    if cut is None:
        assert not machine.l3 or max(len(near) for near in machine.l3) <= len(machine.cores[0].cpus)
        return

    reserved = union(machine.cores_of(node.id)[0].cpus for node in machine.nodes)
    assert [str(one.cpus) for one in cut.sets] == [
        str(near - reserved) for near in machine.l3 if near - reserved
    ]


def turned_off(machine: Machine, offline: IdSet) -> Machine:
    """Give a machine as it is read while these CPUs are offline."""
    online = machine.online - offline
    return machine._replace(
        online=online,
        offline=offline,
        allowed=online,
        nodes=tuple(node._replace(cpus=node.cpus & online) for node in machine.nodes),
        l3=tuple(near & online for near in machine.l3 if near & online),
    )


@given(machine=machines, size=sizes, reserve=st.integers(1, 3), data=st.data())
def test_an_offline_cpu_renames_nothing(
    machine: Machine, size: Size, reserve: int, data: st.DataObject
) -> None:
    cpus = st.sampled_from([*machine.online])
    offline = IdSet(data.draw(st.sets(cpus, max_size=min(6, len(machine.online) - 1))))
    pools = [Pool(name="cpuset", size=size, reserve=reserve)]
    before = cut_or_none(machine, pools)
    later = turned_off(machine, offline)
    after = cut_or_none(later, pools)
    if before is None or _a_cache_is_gone(machine, later.online):
        return

    assert after is not None
    named = [(one.id, one.present) for one in before.sets]
    assert named == [(one.id, one.present) for one in after.sets]
    at_runtime = cut_or_none(machine.with_online(later.online), pools)
    assert at_runtime is not None
    assert [(one.id, one.cpus, one.missing) for one in at_runtime.sets] == [
        (one.id, one.cpus, one.missing) for one in after.sets
    ]
    again = cut_or_none(later.with_online(machine.online)._replace(l3=machine.l3), pools)
    assert again is not None
    assert again.sets == before.sets


@given(machine=machines, size=sizes, reserve=st.integers(1, 3), data=st.data())
def test_a_set_holds_while_its_cores_have_an_online_cpu_and_enough_stay_shared(
    machine: Machine, size: Size, reserve: int, data: st.DataObject
) -> None:
    cpus = st.sampled_from([*machine.online])
    machine = turned_off(machine, IdSet(data.draw(st.sets(cpus, max_size=len(machine.online) - 1))))
    cut = cut_or_none(machine, [Pool(name="cpuset", size=size, reserve=reserve)])
    if cut is None:
        return

    for node in machine.nodes:
        alive = [core for core in machine.cores_of(node.id) if core.cpus & machine.online]
        shared = [core for core in alive if core.cpus & machine.online <= cut.shared]
        assert len(shared) >= min(reserve, len(alive))
        full = [one for one in cut.sets if one.numa_node == node.id and not one.missing]
        kept_back = [
            one
            for one in cut.sets
            if one.numa_node == node.id and one.missing and not one.missing & machine.offline
        ]
        # No more sets are broken than there are cores that stand in for others.
        assert len(kept_back) <= reserve
        for one in full:
            cores = machine.cores_of_cpus(one.cpus)
            assert one.cpus == union(core.cpus for core in cores) & machine.online
            assert len(cores) == size if isinstance(size, int) else cores


def _a_cache_is_gone(machine: Machine, online: IdSet) -> bool:
    """Where caches are uneven, or two cores are offline, nothing tells which L3 each has."""
    dead = sum(core.cpus.isdisjoint(online) for core in machine.cores)
    uneven = len({len(near) for near in machine.l3}) > 1
    return dead > 1 or (dead == 1 and uneven) or any(near.isdisjoint(online) for near in machine.l3)


@given(machine=machines, size=st.integers(1, 4), huge=st.integers(0, GIB))
def test_what_is_unrelated_renames_nothing(machine: Machine, size: int, huge: int) -> None:
    pools = [Pool(name="cpuset", size=size)]
    nodes = tuple(node._replace(huge_page_bytes=huge) for node in machine.nodes)
    cut = cut_or_none(machine, pools)
    more = cut_or_none(machine, [*pools, Pool(name="more", size=1)])
    other = cut_or_none(machine._replace(nodes=nodes), pools)
    if cut is None or other is None:
        return

    ids = [one.id for one in cut.sets]
    assert ids == [one.id for one in other.sets]
    assert more is None or ids == [one.id for one in more.of_pool("cpuset")]


@given(machine=machines, pools=pools_of_a_file)
def test_ids_are_unique_and_short_enough_for_the_kubelet(
    machine: Machine, pools: list[Pool]
) -> None:
    cut = cut_or_none(machine, [*pools, Pool(name="p" * 40, size=1)])
    ids = [] if cut is None else [one.id for one in cut.sets]

    assert len(set(ids)) == len(ids)
    assert all(len(one) <= 63 for one in ids)


@given(machine=machines, pools=pools_of_a_file)
def test_sets_never_promise_more_memory_than_their_node_has(
    machine: Machine, pools: list[Pool]
) -> None:
    cut = cut_or_none(machine, pools)
    sets = () if cut is None else cut.sets

    for node in machine.nodes:
        promised = sum(one.memory_bytes for one in sets if one.numa_node == node.id)
        assert promised <= node.usable_memory_bytes


def test_the_default_pool_is_one_set_per_node(machine: MachineMaker) -> None:
    made = machine()
    cut = partition(made, default_pools(made))

    assert [one.id for one in cut.sets] == ["cpuset-n0-c2x2", "cpuset-n1-c6x2"]
    assert [(str(one.cpus), one.numa_node) for one in cut.sets] == [("2-3", 0), ("6-7", 1)]
    assert str(cut.shared) == "0-1,4-5"
    assert [one.memory_bytes for one in cut.sets] == [4 * GIB, 4 * GIB]


def test_several_pools_share_a_node(machine: MachineMaker) -> None:
    pools = [Pool(name="big", size=3), Pool(name="small", size=1)]

    cut = partition(machine(nodes=1, cores=6), pools)

    assert [str(one.cpus) for one in cut.of_pool("big")] == ["2-7"]
    assert [str(one.cpus) for one in cut.of_pool("small")] == ["8-9", "10-11"]


def test_a_pool_of_some_nodes_leaves_the_others_whole(machine: MachineMaker) -> None:
    cut = partition(machine(nodes=3), [Pool(name="cpuset", nodes=IdSet.of([1]))])

    assert [one.id for one in cut.sets] == ["cpuset-n1-c6x2"]
    assert str(cut.shared) == "0-5,8-11"


def test_big_sets_take_whole_caches(machine: MachineMaker) -> None:
    made = machine(nodes=1, cores=16, threads=1, l3=4)

    cut = partition(made, [Pool(name="cpuset", size=8)])

    # The first cache lacks the reserved core, so the others are joined before it.
    assert [str(one.cpus) for one in cut.sets] == ["4-11"]


def test_the_reserve_comes_from_one_cache(machine: MachineMaker) -> None:
    made = machine(nodes=1, cores=8, threads=1)
    made = made._replace(l3=(IdSet.of([0, 2, 4, 6]), IdSet.of([1, 3, 5, 7])))

    cut = partition(made, [Pool(name="cpuset", size="l3", reserve=2)])

    assert [str(one.cpus) for one in cut.sets] == ["1,3,5,7", "4,6"]


def test_cores_of_one_kind_stay_together(machine: MachineMaker) -> None:
    made = machine(nodes=1, cores=8, threads=1)
    kinds = [KINDS[0]] * 4 + [KINDS[1]] * 4
    cores = tuple(core._replace(kind=kind) for core, kind in zip(made.cores, kinds, strict=True))
    made = made._replace(cores=cores)

    def cpus(pool: Pool) -> list[str]:
        return [str(one.cpus) for one in partition(made, [pool]).sets]

    assert cpus(Pool(name="cpuset", size=2)) == ["1-2", "4-5", "6-7"]
    assert cpus(Pool(name="cpuset", core_kind="performance")) == ["1-3"]
    assert cpus(Pool(name="cpuset", core_kind="efficiency")) == ["4-7"]


def test_a_core_of_two_nodes_is_in_no_set(machine: MachineMaker) -> None:
    made = machine(nodes=2, cores=3)
    both = made.cores[1]._replace(numa_nodes=IdSet.of([0, 1]))

    cut = partition(
        made._replace(cores=(made.cores[0], both, *made.cores[2:])), [Pool(name="cpuset")]
    )

    assert both.cpus <= cut.shared


def test_memory_of_a_set_can_be_said(machine: MachineMaker) -> None:
    cut = partition(machine(cores=4), [Pool(name="cpuset", size=1, memory_bytes=GIB)])

    assert {one.memory_bytes for one in cut.sets} == {GIB}


@pytest.mark.parametrize(
    ("pool", "sentence"),
    [
        pytest.param(
            Pool(name="big", size=4),
            "pool big: no NUMA node has 4 cores left besides 1 reserved and other pools' "
            "(cores: nodes 0-1 have 3); use a smaller size or reserve, or another machine",
            id="too large",
        ),
        pytest.param(
            Pool(name="far", nodes=IdSet.of([4, 5])),
            "pool far: NUMA nodes 4-5 are not in this machine (it has 0-1)",
            id="nodes that are not there",
        ),
        pytest.param(
            Pool(name="near", size="l3"),
            "pool near: the kernel reports no L3 cache on this machine; "
            "use size: numa or a number of cores",
            id="no L3",
        ),
        pytest.param(
            Pool(name="slow", core_kind="efficiency"),
            "pool slow: coreKind is efficiency, and all cores of this machine are of one kind; "
            "leave it out",
            id="no such kind",
        ),
        pytest.param(
            Pool(name="rich", size=1, memory_bytes=5 * GIB),
            "the sets on NUMA node 0 are promised 10.0 GiB and it has 8.0 GiB besides huge pages; "
            "lower pools[].memory",
            id="too much memory",
        ),
    ],
)
def test_a_pool_that_cannot_be_met_says_the_machines_numbers(
    machine: MachineMaker, pool: Pool, sentence: str
) -> None:
    with pytest.raises(PoolUnmet) as refused:
        partition(machine(cores=3), [pool])

    assert str(refused.value) == sentence


# What is offline.


def test_a_core_with_one_thread_online_is_still_a_core(machine: MachineMaker) -> None:
    made = turned_off(machine(nodes=1, cores=4), IdSet.of([2, 5]))

    whole = partition(made, [Pool(name="cpuset")])
    twos = partition(made, [Pool(name="cpuset", size=1)])

    assert [(one.id, str(one.cpus)) for one in whole.sets] == [("cpuset-n0-c2x6", "3-4,6-7")]
    assert [str(one.cpus) for one in twos.sets] == ["3", "4", "6-7"]
    assert not any(one.missing for one in (*whole.sets, *twos.sets))
    assert whole.sets[0].memory_bytes == 6 * GIB


def test_a_set_of_a_number_of_cores_needs_them_all(machine: MachineMaker) -> None:
    made = turned_off(machine(nodes=1, cores=5), IdSet.of([4, 5]))

    cut = partition(made, [Pool(name="cpuset", size=2)])

    assert [(str(one.cpus), str(one.missing)) for one in cut.sets] == [("2-3", "4-5"), ("6-9", "")]
    assert str(cut.shared) == "0-1"


@pytest.mark.parametrize("size", ["numa", "l3"])
def test_the_lowest_core_online_stays_shared(machine: MachineMaker, size: Size) -> None:
    made = turned_off(machine(nodes=1, cores=8, threads=1, l3=8), IdSet.of([0]))

    cut = partition(made, [Pool(name="cpuset", size=size)])

    assert [(one.id, str(one.cpus)) for one in cut.sets] == [("cpuset-n0-c1x7", "2-7")]
    assert str(cut.shared) == "1"
    assert cut.sets[0].memory_bytes == 8 * GIB * 6 // 7


@pytest.mark.parametrize(
    ("cores", "offline", "given", "shared"),
    [
        pytest.param(8, [0], "1-2 3-4 5-6", "7", id="one that is in no set"),
        pytest.param(7, [0], "3-4 5-6", "1", id="else the lowest, and its set is not given"),
        pytest.param(7, [0, 6], "1-2 3-4", "5", id="one of a set that is broken anyhow"),
    ],
)
def test_what_stands_in_for_the_reserve_breaks_as_few_sets_as_can_be(
    machine: MachineMaker, cores: int, offline: list[int], given: str, shared: str
) -> None:
    made = turned_off(machine(nodes=1, cores=cores, threads=1), IdSet.of(offline))

    cut = partition(made, [Pool(name="cpuset", size=2)])

    assert [str(one.cpus) for one in cut.sets if not one.missing] == given.split()
    assert shared in str(cut.shared)


def test_where_only_the_reserve_is_left_its_set_is_not_given(machine: MachineMaker) -> None:
    made = turned_off(machine(nodes=1, cores=2, threads=1), IdSet.of([0]))

    (one,) = partition(made, [Pool(name="cpuset")]).sets

    assert (one.id, str(one.cpus), str(one.missing)) == ("cpuset-n0-c1x1", "", "1")


# What is allowed.


def confined(machine: Machine, cpus: str, nodes: str = "0") -> Machine:
    return machine._replace(allowed=IdSet.parse(cpus), allowed_nodes=IdSet.parse(nodes))


@pytest.mark.parametrize(
    ("allowed", "size", "given", "shared"),
    [
        pytest.param("8-15", "numa", "10-15", "8-9", id="whole cores"),
        pytest.param("8,10-11,12,14", "numa", "10-12,14", "8", id="one thread of a core is a core"),
        pytest.param("8,10-11,12,14", 1, "10-11 12 14", "8", id="in sets of a core too"),
        pytest.param("6-9", "numa", "8-9", "6-7", id="two cores"),
    ],
)
def test_what_is_allowed_is_cut(
    machine: MachineMaker, allowed: str, size: Size, given: str, shared: str
) -> None:
    made = confined(machine(nodes=1, cores=8), allowed)

    cut = partition(made, [Pool(name="cpuset", size=size)])

    assert [str(one.cpus) for one in cut.sets] == given.split()
    assert str(cut.shared) == shared


@pytest.mark.parametrize(("allowed", "reserve"), [("6-7", 1), ("7", 1), ("2,6", 3)])
def test_the_last_core_that_a_process_may_use_is_not_reserved(
    machine: MachineMaker, allowed: str, reserve: int
) -> None:
    made = confined(machine(nodes=1, cores=8), allowed)

    (one,) = partition(made, [Pool(name="cpuset", reserve=reserve)]).sets

    assert one.present == IdSet.of([6, 7])


def test_a_process_that_may_use_too_few_cores_is_told_so(machine: MachineMaker) -> None:
    with pytest.raises(PoolUnmet, match=r"node 0 has 8, 2 of them allowed to this process\)"):
        partition(confined(machine(nodes=1, cores=8), "4-7"), [Pool(name="cpuset", size=2)])


def test_a_core_that_is_offline_belongs_to_no_confined_process(machine: MachineMaker) -> None:
    made = turned_off(machine(nodes=1, cores=8), IdSet.of([8, 9]))

    cut = partition(confined(made, "4-7,10-11"), [Pool(name="cpuset")])

    assert [str(one.present) for one in cut.sets] == ["6-7,10-11"]


def test_the_sets_of_a_whole_machine_depend_on_no_cpuset(machine: MachineMaker) -> None:
    made = machine()

    cut = partition(confined(made, "1").unconfined(), [Pool(name="cpuset")])

    assert cut == partition(made, [Pool(name="cpuset")])


def test_a_machine_whose_nodes_cannot_be_read_gives_no_set(machine: MachineMaker) -> None:
    made = machine()
    cores = tuple(core._replace(numa_nodes=IdSet()) for core in made.cores)

    with pytest.raises(PoolUnmet, match="pool cpuset: no NUMA node of this machine is known"):
        partition(made._replace(nodes=(), cores=cores), [Pool(name="cpuset")])


def test_a_pool_that_reserves_nothing_may_take_every_cpu(machine: MachineMaker) -> None:
    made = machine(nodes=2)

    cut = partition(made, [Pool(name="cpuset", reserve=0)])

    assert union(one.cpus for one in cut.sets) == made.online
    assert not cut.shared


@pytest.mark.parametrize(
    ("pool", "notes"),
    [
        pytest.param(Pool(name="a"), [], id="all suits"),
        pytest.param(
            Pool(name="a", nodes=IdSet.of([1, 4, 5])),
            ["pool a: nodes 4-5 are not in this machine (it has 0-1); of its nodes only 1 is cut"],
            id="nodes that are not there",
        ),
        pytest.param(
            Pool(name="a", core_kind="performance"),
            [
                "pool a: coreKind performance takes all cores, "
                "as all cores of this machine are of one kind"
            ],
            id="one kind",
        ),
        pytest.param(
            Pool(name="a", threads_per_core=4),
            ["pool a: threadsPerCore is 4, and no core of this machine has more than 2"],
            id="more threads than a core has",
        ),
    ],
)
def test_what_of_a_pool_does_not_suit_is_noted(
    machine: MachineMaker, pool: Pool, notes: list[str]
) -> None:
    assert list(partition(machine(), [pool]).notes) == notes
