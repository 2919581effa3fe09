import pytest

from numalocal.errors import SpecInvalid
from numalocal.idset import IdSet, union
from numalocal.machine.model import KINDS, CoreKind
from numalocal.sets.poolfile import parse_pools
from numalocal.sets.pools import Pool, default_pools

from ..conftest import GIB, MachineMaker


def test_a_list_and_a_document_are_read_alike() -> None:
    pools = (Pool(name="cpuset", size=4, reserve=2), Pool(name="whole", size="numa", reserve=1))
    raw = [{"name": "cpuset", "size": 4, "reserve": 2}, {"name": "whole"}]

    assert pools == parse_pools(raw)
    assert pools == parse_pools({"pools": raw})


def test_every_field_is_read() -> None:
    raw = {
        "name": "big",
        "size": "l3",
        "reserve": 2,
        "nodes": "0-1,8",
        "coreKind": "efficiency",
        "threadsPerCore": 2,
        "memory": "64Gi",
        "placement": "Pack",
    }

    assert parse_pools([raw]) == (
        Pool(
            name="big",
            size="l3",
            reserve=2,
            nodes=IdSet.of([0, 1, 8]),
            core_kind="efficiency",
            threads_per_core=2,
            memory_bytes=64 * GIB,
            placement="Pack",
        ),
    )


@pytest.mark.parametrize("nodes", [[0, 1, 8], "0-1,8", ["0-1", 8]])
def test_nodes_are_numbers_or_the_kernels_list(nodes: object) -> None:
    (pool,) = parse_pools([{"name": "cpuset", "nodes": nodes}])

    assert pool.nodes == IdSet.of([0, 1, 8])


def test_without_a_file_the_machine_decides(machine: MachineMaker) -> None:
    uniform = machine()
    kinds = tuple(
        CoreKind(kind=kind, cpus=IdSet.of([cpu]), capacity=None, base_khz=None)
        for cpu, kind in enumerate(KINDS)
    )

    assert default_pools(uniform) == parse_pools([{"name": "cpuset"}])
    assert default_pools(uniform._replace(kinds=kinds)) == parse_pools(
        [{"name": "cpuset", "coreKind": "performance"}]
    )


def test_a_process_that_may_use_slow_cores_alone_has_those(machine: MachineMaker) -> None:
    made = machine(nodes=1, cores=4)
    fast, slow = made.cores[:2], made.cores[2:]
    kinds = tuple(
        CoreKind(kind=kind, cpus=union(core.cpus for core in cores), capacity=None, base_khz=None)
        for kind, cores in zip(KINDS, (fast, slow), strict=True)
    )
    made = made._replace(kinds=kinds, allowed=kinds[1].cpus)

    assert default_pools(made) == parse_pools([{"name": "cpuset"}])


def test_nothing_is_reserved_only_where_that_is_allowed() -> None:
    raw = [{"name": "cpuset", "reserve": 0}]

    assert parse_pools(raw, least_reserve=0) == (Pool(name="cpuset", reserve=0),)
    with pytest.raises(SpecInvalid, match=r"pools\[0\].reserve: 0 must be a whole number from 1"):
        parse_pools(raw)


def test_all_problems_are_told_at_once_with_their_paths() -> None:
    raw = [
        {"name": "Big_One", "size": 0, "reserve": True, "colour": "red"},
        "cpuset",
        {"name": "twice"},
        {"name": "twice", "size": "node", "reserve": 0, "nodes": "first", "coreKind": "fast"},
        {"name": "more", "threadsPerCore": 16, "memory": "much", "placement": "Near"},
    ]

    with pytest.raises(SpecInvalid) as refused:
        parse_pools(raw)

    assert [problem.path for problem in refused.value.problems] == [
        "pools[0].colour",
        "pools[0].name",
        "pools[0].size",
        "pools[0].reserve",
        "pools[1]",
        "pools[1].name",
        "pools[3].size",
        "pools[3].reserve",
        "pools[3].nodes",
        "pools[3].coreKind",
        "pools[4].threadsPerCore",
        "pools[4].memory",
        "pools[4].placement",
        "pools[3].name",
    ]
    said = str(refused.value)
    assert "pools[3].size: 'node' must be a number of cores from 1, or numa, or l3" in said
    assert "pools[3].nodes: 'first' must be NUMA node ids such as [0, 1] or 0-3" in said
    assert "pools[4].threadsPerCore: 16 must be a whole number from 1 to 8" in said


@pytest.mark.parametrize("raw", [None, [], {}, {"pools": "cpuset"}, 4])
def test_a_document_without_pools_is_refused(raw: object) -> None:
    with pytest.raises(SpecInvalid, match="must be a list of at least one pool"):
        parse_pools(raw)


def test_more_pools_than_any_machine_has_are_refused_in_one_sentence() -> None:
    with pytest.raises(SpecInvalid, match="at most 64 pools, has 3000") as caught:
        parse_pools([{"name": "a"}] * 3000)

    assert len(caught.value.problems) == 1


def test_no_more_problems_are_told_than_anybody_reads() -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_pools([{"name": "a", "sise": 1, "reserve": -1}] * 64)

    assert len(caught.value.problems) == 50
