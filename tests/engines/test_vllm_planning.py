"""vLLM's own planning, told by numalocal: its CPU lists, its nodes, its OpenMP variables."""

from typing import Final

import pytest

from numalocal.engines import PINNING
from numalocal.host.placement import Placement
from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.pools import Size

from .placing import ARM, NAMES, POWER, S390X, X86, machine_named, placed, worker
from .planning import VERSIONS, Answer, Container, ask

pytestmark = pytest.mark.engines

NEWEST: Final = VERSIONS[-1]


def asked(version: str, machine: Machine, one: Placement, **told: str) -> Answer:
    """Ask vLLM in the container that a placement gets, with its variables unless with others."""
    container = Container(machine=machine, cpus=one.assignment.cpus, mems=one.assignment.mems)
    return ask(version, container, len(one.assignment.sets), told or one.environment)


def lists(one: Placement) -> list[list[int]]:
    """List the CPUs on which each rank is planned to compute."""
    ranks = one.environment["NUMALOCAL_RANK_COMPUTE_CPUS"].split("|")
    return [list(IdSet.parse(cpus)) for cpus in ranks]


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_rank_computes_on_its_set_and_binds_to_the_memory_beside_it(
    version: str, name: str, ranks: int
) -> None:
    machine = machine_named(name)
    (one,) = placed(worker(ranks), machine, 3)

    answer = asked(version, machine, one)

    sets = one.assignment.sets
    assert answer.cpu_lists == lists(one)
    assert all(set(mine) <= own.cpus for mine, own in zip(answer.cpu_lists, sets, strict=True))
    assert answer.memory_nodes == answer.visible_nodes == [own.numa_node for own in sets]


@pytest.mark.parametrize("name", [X86, ARM, POWER, S390X])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_openmp_runtime_is_told_the_lists_in_its_own_words(version: str, name: str) -> None:
    machine = machine_named(name)
    (one,) = placed(worker(2), machine, 3)
    assert not one.environment.keys() & PINNING  # nothing contradicts what vLLM says

    told = asked(version, machine, one).told

    for rank, cpus in enumerate(lists(one)):
        ids = [str(cpu) for cpu in cpus]
        proclist = f"granularity=fine,explicit,proclist=[{','.join(ids)}]"
        binding = {
            "libiomp5.so": {"KMP_AFFINITY": proclist},
            "libgomp.so.1": {"GOMP_CPU_AFFINITY": " ".join(ids)},
            "": {"OMP_PLACES": f"{{{','.join(ids)}}}", "OMP_PROC_BIND": "true"},
        }
        for preload, words in binding.items():
            variables = told[preload][rank]
            assert {name: variables[name] for name in variables if name in PINNING} == words
            assert variables["OMP_NUM_THREADS"] == str(len(ids))


@pytest.mark.parametrize(
    ("name", "ranks", "size"),
    [
        pytest.param(X86, 2, "numa", id="x86: the highest sibling of each core"),
        pytest.param(ARM, 2, "numa", id="ARM: every CPU"),
        pytest.param(POWER, 2, "numa", id="POWER: four threads of eight"),
        pytest.param(S390X, 4, 8, id="s390x: a rank in each book"),
    ],
)
def test_where_sets_are_whole_nodes_the_lists_are_those_of_vllms_own_auto(
    name: str, ranks: int, size: Size
) -> None:
    machine = machine_named(name)
    engine = {"name": "vllm", "reservedCores": 0}
    (one,) = placed(worker(ranks, engine=engine), machine, size)

    auto = asked(NEWEST, machine, one, VLLM_CPU_NUM_OF_RESERVED_CPU="0")

    assert auto.cpu_lists == lists(one)


@pytest.mark.parametrize("name", [X86, ARM])
def test_the_reserved_cores_are_those_of_vllms_own_auto(name: str) -> None:
    machine = machine_named(name)
    (one,) = placed(worker(2), machine, "numa")

    auto = asked(NEWEST, machine, one, VLLM_CPU_OMP_THREADS_BIND="auto")

    assert auto.cpu_lists == lists(one)


@pytest.mark.parametrize("version", VERSIONS)
def test_two_workers_that_see_the_memory_of_both_nodes_keep_to_their_own(version: str) -> None:
    """vllm#43240: its auto gives the CPUs of the first node, which the second worker has not."""
    machine = machine_named(X86)
    both = placed(worker(replicas=2), machine, "numa")
    containers = [
        Container(machine=machine, cpus=one.assignment.cpus, mems=machine.allowed_nodes)
        for one in both
    ]

    ours = [
        ask(version, container, 1, one.environment)
        for container, one in zip(containers, both, strict=True)
    ]
    auto = [ask(version, container, 1, {}) for container in containers]

    assert [answer.cpu_lists for answer in ours] == [lists(one) for one in both]
    assert [answer.memory_nodes for answer in ours] == [[0], [1]]
    assert [answer.visible_nodes for answer in ours] == [[0], [1]]
    assert [bool(answer.cpu_lists[0]) for answer in auto] == [True, False]
    assert auto[1].told["libgomp.so.1"] == [{"OMP_NUM_THREADS": "0", "GOMP_CPU_AFFINITY": ""}]
