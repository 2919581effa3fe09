"""A worker is born on its CPUs with its memory beside them, and told so; judged by the node."""

import re
from collections.abc import Iterator

import pytest

from installed import SETS, sets
from lab.cluster import Lab
from numalocal.idset import IdSet
from workers import DECODE, Workers

pytestmark = pytest.mark.short

MEMORY = {"perRank": "128Mi"}


@pytest.fixture(scope="module")
def beside(lab: Lab) -> Iterator[Workers]:
    """Give the workers `one` and `openmp`, each on a set, and both told to be verified."""
    made = Workers(lab)
    made.create("one", command=DECODE, memory=MEMORY)
    env = {"OMP_DISPLAY_AFFINITY": "true"}
    made.create("openmp", command=DECODE, engine={"name": "openmp", "openMP": "gnu"}, env=env)
    for name in ("one", "openmp"):
        made.wait_verified(name)
    yield made
    made.delete_all()


def test_the_node_offers_its_cpu_sets(lab: Lab) -> None:
    described = lab.kubectl("describe", "node")

    assert sets(lab) == SETS
    assert re.search(r"numalocal\.io/cpuset:\s+2", described)


def test_an_engine_is_bound_from_its_first_instruction(beside: Workers) -> None:
    status = beside.status("one")
    log = beside.wait_log("one", r"tokens_per_s=")
    look = beside.look("one")

    (placement,) = status["placements"]
    (rank,) = placement["ranks"]
    cpus, node = IdSet.parse(rank["cpus"]), rank["numaNode"]
    assert (str(cpus), node) in {("2-3", 0), ("6-7", 1)}
    assert placement["verified"] is True
    assert rank["memoryBytes"] == 128 << 20
    assert log.startswith(f"start cpus={cpus} mems={node}\n")
    assert look.cgroup_cpus == cpus
    assert look.cgroup_mems == IdSet.of([node])
    assert len(look.thread_cpus) == 2
    assert set(look.thread_cpus) == {cpus}
    assert set(look.thread_mems) == {IdSet.of([node])}
    assert look.bytes_on_node[node] >= 32 << 20
    assert look.local_share >= 0.99


def test_requests_mirror_the_sets_for_the_scheduler(beside: Workers) -> None:
    pod = beside.pod("one")

    (container,) = pod["spec"]["containers"]
    assert container["resources"]["requests"]["cpu"] == "2"
    assert container["resources"]["limits"] == {"memory": "128Mi", "numalocal.io/cpuset": "1"} | {
        "memory": container["resources"]["requests"]["memory"]
    }
    assert "cpu" not in container["resources"]["limits"]
    assert pod["status"]["qosClass"] == "Burstable"


def test_openmp_runs_one_thread_per_planned_core(beside: Workers) -> None:
    status = beside.status("openmp")
    log = beside.wait_log("openmp", r"affinity \d+")
    look = beside.look("openmp")

    planned = IdSet.parse(status["placements"][0]["ranks"][0]["cpus"])
    # One core with two threads: on x86 the planned thread sits on the highest.
    assert re.findall(r"affinity (\S+)", log) == [str(max(planned))]
    assert look.thread_cpus == (IdSet.of([max(planned)]),)
    assert look.cgroup_cpus == planned
