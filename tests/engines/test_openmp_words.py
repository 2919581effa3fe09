"""What each OpenMP runtime makes of each family of variables: why a program gets the right one."""

import pytest

from .conftest import Start
from .engine import Engine
from .openmp_programs import LIBRARY, Build

pytestmark = pytest.mark.engines


def computing(engine: Engine, threads: int) -> list[str]:
    """Give the CPUs of each thread that computes, of which there are to be so many."""
    return sorted(str(one.cpus) for one in engine.team(threads).values())


def cores(engine: Engine) -> list[str]:
    return sorted(str(cpu) for cpu in engine.planned())


@pytest.mark.parametrize(
    ("runtime", "family"),
    [("llvm", "gnu"), ("llvm", "intel"), ("intel", "gnu"), ("intel", "llvm")],
)
def test_the_runtimes_of_llvm_and_intel_obey_each_other_and_libgomps_words(
    openmp_program: Build, openmp: Start, runtime: str, family: str
) -> None:
    engine = openmp(family, openmp_program(runtime))

    assert computing(engine, len(cores(engine))) == cores(engine)


@pytest.mark.parametrize("family", ["llvm", "intel"])
def test_libgomp_does_not_read_the_words_of_the_others(
    openmp_program: Build, openmp: Start, family: str
) -> None:
    engine = openmp(family, openmp_program("gnu"))

    assert "KMP_AFFINITY" in engine.told()
    assert computing(engine, 2) == [str(engine.cpus())] * 2


@pytest.mark.parametrize("runtime", LIBRARY)
def test_threads_that_are_told_no_place_may_use_the_whole_set(
    openmp_program: Build, openmp: Start, runtime: str
) -> None:
    engine = openmp("none", openmp_program(runtime))

    assert computing(engine, 2) == [str(engine.cpus())] * 2


@pytest.mark.parametrize("preloaded", ["llvm", "intel"])
@pytest.mark.parametrize(("family", "places"), [("auto", 1), ("gnu", 1), ("llvm", 2), ("intel", 2)])
def test_words_that_libgomp_reads_too_stack_a_program_with_two_runtimes(
    openmp_program: Build, openmp: Start, preloaded: str, family: str, places: int
) -> None:
    """What many Python images are: gcc's program, and another's runtime loaded before libgomp."""
    own = {"LD_PRELOAD": str(openmp_program(preloaded).library)}

    engine = openmp(family, openmp_program("gnu"), own)

    assert computing(engine, 2) == sorted((cores(engine)[:places] * 2)[:2])


@pytest.mark.parametrize("runtime", LIBRARY)
@pytest.mark.parametrize("number", [1, 4])
def test_a_users_own_number_of_threads_fills_the_cores_in_turn(
    openmp_program: Build, openmp: Start, runtime: str, number: int
) -> None:
    engine = openmp(runtime, openmp_program(runtime), {"OMP_NUM_THREADS": str(number)})

    assert computing(engine, number) == sorted((cores(engine) * 2)[:number])
    assert "note: OMP_NUM_THREADS is the worker's own\n" in engine.stop()[1]
