import pytest

from numalocal.assignment import Assignment
from numalocal.engine import ENGINES, EngineSettings, compute_cpus, environment, openmp_environment
from numalocal.idset import IdSet
from numalocal.partition import partition
from numalocal.pools import Pool

from .conftest import MachineMaker, make_machine

MACHINE = make_machine(nodes=2, cores=4)
BOTH = Assignment.of(partition(MACHINE, [Pool(name="cpuset")]).sets)
ONE = Assignment(BOTH.sets[:1])


def test_one_thread_per_core() -> None:
    assert [str(cpus) for cpus in compute_cpus(EngineSettings(), BOTH, MACHINE)] == [
        "3,5,7",
        "11,13,15",
    ]


def test_vllm_gets_its_own_list_in_full_and_no_openmp_variable() -> None:
    variables = environment(EngineSettings(name="vllm"), BOTH, MACHINE)

    assert variables["VLLM_CPU_OMP_THREADS_BIND"] == "3,5|11,13"
    assert variables["CPU_VISIBLE_MEMORY_NODES"] == "0,1"
    assert not [name for name in variables if name.startswith(("OMP_", "GOMP_", "KMP_"))]


def test_openmp_gets_one_place_per_core() -> None:
    variables = environment(EngineSettings(name="openmp"), ONE, MACHINE)

    assert variables["OMP_NUM_THREADS"] == "3"
    assert variables["OMP_PLACES"] == "{3},{5},{7}"


def test_ranks_that_share_a_container_are_not_given_one_openmp_list() -> None:
    variables = environment(EngineSettings(name="openmp"), BOTH, MACHINE)

    assert variables["NUMALOCAL_RANK_COMPUTE_CPUS"] == "3,5,7|11,13,15"
    assert not [name for name in variables if name.startswith("OMP_")]


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        ("auto", {"OMP_PLACES": "{2},{4}", "OMP_PROC_BIND": "true"}),
        ("gnu", {"GOMP_CPU_AFFINITY": "2 4"}),
        ("llvm", {"KMP_AFFINITY": "granularity=fine,explicit,proclist=[2,4]"}),
        ("intel", {"KMP_AFFINITY": "granularity=fine,explicit,proclist=[2,4]"}),
        ("none", {}),
    ],
)
def test_exactly_one_family_per_runtime(runtime: str, expected: dict[str, str]) -> None:
    assert expected | {"OMP_NUM_THREADS": "2"} == openmp_environment(runtime, IdSet.of([2, 4]))


@pytest.mark.parametrize(
    ("reserved", "expected"),
    [
        pytest.param(0, ["3,5,7", "11,13,15"], id="none"),
        pytest.param(1, ["3,5,7", "11,13"], id="the last rank gives first"),
        pytest.param(2, ["3,5", "11,13"], id="one each"),
        pytest.param(9, ["3", "11"], id="a rank keeps one core"),
    ],
)
def test_reserved_cores_come_off_the_tail(reserved: int, expected: list[str]) -> None:
    settings = EngineSettings(name="vllm", reserved_cores=reserved)

    assert expected == [str(cpus) for cpus in compute_cpus(settings, BOTH, MACHINE)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("threads", [1, 2, 4, 8])
def test_no_variable_is_ever_empty(engine: str, threads: int, machine: MachineMaker) -> None:
    made = machine(nodes=1, cores=2, threads=threads)
    assignment = Assignment.of(partition(made, [Pool(name="cpuset")]).sets)

    variables = environment(EngineSettings(name=engine, reserved_cores=5), assignment, made)

    assert all(value for value in variables.values())
