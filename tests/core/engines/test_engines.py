"""What holds for every engine: compute CPUs, the user's own words, and never an empty value."""

import pytest

from numalocal import engines
from numalocal.engines import ENGINES, EngineSettings, Job, compute_cpus, tell, variables
from numalocal.engines.openmp import threads
from numalocal.idset import IdSet
from numalocal.sets.assignment import Assignment
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool

from ..conftest import MachineMaker, make_machine
from .test_spellings import PROGRAMS

MACHINE = make_machine(nodes=2, cores=4)
BOTH = Assignment.of(partition(MACHINE, [Pool(name="cpuset")]).sets)
ONE = Assignment(BOTH.sets[:1])

KMP = {"KMP_AFFINITY": "granularity=fine,explicit,proclist=[2,4]", "KMP_BLOCKTIME": "5"}


SERVE = {
    "vllm": ("vllm", "serve"),
    "sglang": ("sglang", "serve"),
    "llama.cpp": ("llama-server",),
    "ovms": ("ovms",),
}


def job(name: str = "none", *command: str, ranks: int = 1, own: tuple[str, ...] = ()) -> Job:
    settings = EngineSettings(name=name)
    if command == ("serve",):
        command = SERVE.get(name, command)
    return Job(settings=settings, ranks=ranks, command=command, variables=dict.fromkeys(own, "x"))


def test_one_thread_per_core() -> None:
    computing = compute_cpus(job(ranks=2), BOTH, MACHINE)

    assert [str(cpus) for cpus in computing] == ["3,5,7", "11,13,15"]


@pytest.mark.parametrize("name", ["vllm", "sglang", "pytorch", "tei", "tgi"])
def test_what_starts_processes_from_python_gets_nothing_that_pins(name: str) -> None:
    told = variables(job(name, ranks=2), BOTH, MACHINE)

    assert not [one for one in told if one in engines.PINNING]


@pytest.mark.parametrize("name", ["vllm", "sglang", "pytorch", "tei", "tgi"])
def test_who_pins_such_an_engine_himself_is_warned(name: str) -> None:
    told = tell(job(name, "serve", own=("GOMP_CPU_AFFINITY",)))

    assert any(
        f"GOMP_CPU_AFFINITY pins the main process of {name} to one CPU" in note
        for note in told.notes
    )


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        ("auto", {"OMP_PLACES": "{2},{4}", "OMP_PROC_BIND": "true"}),
        ("gnu", {"GOMP_CPU_AFFINITY": "2 4"}),
        ("llvm", KMP),
        ("intel", KMP),
        ("none", {}),
    ],
)
def test_exactly_one_family_per_runtime(runtime: str, expected: dict[str, str]) -> None:
    assert expected | {"OMP_NUM_THREADS": "2"} == threads(runtime, IdSet.of([2, 4]))


def test_a_wait_policy_of_the_users_stands() -> None:
    settings = EngineSettings(name="openmp", openmp="llvm")
    own = Job(settings=settings, variables={"OMP_WAIT_POLICY": "PASSIVE"})

    assert "KMP_BLOCKTIME" not in variables(own, ONE, MACHINE)


@pytest.mark.parametrize("own", engines.PINNING)
def test_where_the_user_pins_threads_no_other_family_is_added(own: str) -> None:
    told = variables(job("openmp", own=(own,)), ONE, MACHINE)

    assert "OMP_NUM_THREADS" in told
    assert not [one for one in told if one in engines.PINNING]


@pytest.mark.parametrize("name", ENGINES)
def test_no_variable_of_the_users_is_given_again(name: str) -> None:
    usual = tuple(variables(job(name), ONE, MACHINE))

    assert not variables(job(name, own=usual), ONE, MACHINE)


@pytest.mark.parametrize("name", ENGINES)
def test_what_the_user_sets_of_the_engines_variables_is_told(name: str) -> None:
    speaks = engines.adapter(name).speaks

    notes = tell(job(name, "serve", own=tuple(speaks))).notes

    assert {f"{variable} is the worker's own" for variable in speaks} <= set(notes)


@pytest.mark.parametrize("name", ENGINES)
def test_every_variable_of_an_engine_is_one_it_speaks(name: str) -> None:
    own = set(variables(job(), BOTH, MACHINE))

    told = set(variables(job(name, ranks=2), BOTH, MACHINE))

    assert told - own <= set(engines.adapter(name).speaks)


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

    computing = compute_cpus(Job(settings=settings, ranks=2), BOTH, MACHINE)

    assert expected == [str(cpus) for cpus in computing]


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_no_variable_and_no_argument_is_ever_empty(
    name: str, width: int, machine: MachineMaker
) -> None:
    made = machine(nodes=1, cores=2, threads=width)
    assignment = Assignment.of(partition(made, [Pool(name="cpuset")]).sets)
    settings = EngineSettings(name=name, reserved_cores=5)
    one = Job(settings=settings, command=PROGRAMS[name])

    assert all(variables(one, assignment, made).values())
    assert all(tell(one).arguments)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("command", [("bash", "-ec", "serve --fast"), ("-c", "serve"), ()])
def test_nothing_is_added_where_it_would_not_arrive(name: str, command: tuple[str, ...]) -> None:
    told = tell(job(name, *command, ranks=2))

    assert told.arguments == ()
    if tell(job(name, "serve", ranks=2)).arguments:
        assert any("write it there yourself" in note for note in told.notes)
