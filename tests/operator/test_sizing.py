from dataclasses import replace
from typing import Any

import pytest

from numalocal.worker.inject import PoolNumbers
from numalocal_operator.observing.nodes import Nodes
from numalocal_operator.observing.topologies import Topologies
from numalocal_operator.planning.target import target
from numalocal_operator.sizing import Sizing

from .builders import make_worker, raw_node, topology


def telling(name: str, cpus: int = 4, sets: int = 2, free: int = 2) -> dict[str, Any]:
    pool = {"name": "cpuset", "sets": sets, "cpusPerSet": cpus, "free": free}
    return topology(name, pools=[pool])


@pytest.fixture
def topologies() -> Topologies:
    """Know a small node and a large one."""
    known = Topologies()
    known.listed([telling("small"), telling("large", 112)])
    return known


@pytest.fixture
def nodes() -> Nodes:
    """Know the same two."""
    known = Nodes()
    known.listed([raw_node("small", {"size": "s"}), raw_node("large", {"size": "l"})])
    return known


def test_before_nodes_are_listed_nothing_is_known() -> None:
    sizing, worker = Sizing(Topologies(), Nodes()), make_worker()

    assert sizing.fleet() is None
    assert sizing.of(worker).numbers == PoolNumbers()
    assert sizing.of(worker).foreseen(target(worker)) == target(worker)


def test_a_worker_is_sized_by_the_nodes_it_can_land_on(
    topologies: Topologies, nodes: Nodes
) -> None:
    sizing = Sizing(topologies, nodes)
    containers = [{"name": "engine"}]
    large = {"spec": {"containers": containers, "nodeSelector": {"size": "l"}}}

    assert sizing.of(make_worker()).numbers == PoolNumbers(cpus_per_set=4)
    assert sizing.of(make_worker(template=large)).numbers == PoolNumbers(cpus_per_set=112)
    assert sizing.of(make_worker(pool="other")).numbers == PoolNumbers()


def test_what_changes_of_nodes_is_followed(topologies: Topologies, nodes: Nodes) -> None:
    sizing, worker = Sizing(topologies, nodes), make_worker()
    before = sizing.fleet()
    assert sizing.fleet() is before

    nodes.observed(raw_node("small", {"size": "s"}, unschedulable=True))
    assert sizing.of(worker).numbers == PoolNumbers(cpus_per_set=112)

    topologies.observed(telling("large", 56))
    assert sizing.of(worker).numbers == PoolNumbers(cpus_per_set=56)


def test_a_set_that_is_taken_or_freed_makes_nothing_anew(
    topologies: Topologies, nodes: Nodes
) -> None:
    sizing = Sizing(topologies, nodes)
    before = sizing.fleet()

    topologies.observed(telling("small", free=0))

    assert sizing.fleet() is before


def test_without_a_right_to_see_nodes_all_that_tell_count(topologies: Topologies) -> None:
    sizing = Sizing(topologies, Nodes())

    assert sizing.of(make_worker()).numbers == PoolNumbers(cpus_per_set=4)


def test_a_worker_is_told_that_it_never_fits_or_not_now(
    topologies: Topologies, nodes: Nodes
) -> None:
    sizing = Sizing(topologies, nodes)
    three, two, one = (make_worker(ranks=ranks) for ranks in (3, 2, 1))
    topologies.observed(telling("small", free=1))
    topologies.observed(telling("large", 112, free=0))

    never, now, well = (sizing.of(each).foreseen(target(each)) for each in (three, two, one))

    assert never.unfit == (
        "no node can take a replica: node small has 2 of 3 CPU sets of pool cpuset (the most of 2 "
        "nodes)"
    )
    assert never.occupied == ""
    assert (now.unfit, now.occupied) == (
        "",
        "node small has 1 free of the 2 CPU sets of pool cpuset of a replica, the most of 2 nodes "
        "that could take it",
    )
    assert well == replace(target(one), cpus_per_set=4)
