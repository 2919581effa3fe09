"""llama.cpp as PyPI's llama-cpp-python has it, with a model of random weights."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import pytest

from numalocal.idset import union

from .conftest import Bound, Plain
from .engine import Engine

pytestmark = pytest.mark.engines

ENGINE = "programs.llama_engine"
ROUNDS = 3
ROUND_S = 3.0
MANY_THREADS = 32
"""What an engine takes on a large host when nobody tells it that it has a part of it."""


@pytest.mark.parametrize("cores", [1, 2])
def test_one_thread_of_llama_cpp_computes_on_each_core_of_its_set(
    bound: Bound, model: Path, cores: int
) -> None:
    engine = bound("llama.cpp", ENGINE, model, cores=cores)

    told = engine.told()
    assert told["LLAMA_ARG_THREADS"] == told["LLAMA_ARG_THREADS_BATCH"] == str(cores)
    engine.computes_as_planned(cores)
    engine.ends_verified()


def test_two_engines_with_cores_of_their_own_outrun_two_that_take_threads_for_a_large_host(
    bound: Bound, plain: Plain, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = {"LLAMA_ARG_THREADS": str(MANY_THREADS)}
    rounds = []
    for _ in range(ROUNDS):
        engines = [bound("llama.cpp", ENGINE, model, cores=1) for _ in range(2)]
        cpus = union(one.cpus() for one in engines)
        own = _together(engines)
        free = _together([plain(ENGINE, model, told=many, cpus=cpus) for _ in range(2)])
        rounds.append((free, own))

    ratio = median(own / free for free, own in rounds)
    with capsys.disabled():
        told = ", ".join(f"{free:.1f} and {own:.1f}" for free, own in rounds)
        sys.stdout.write(f"\ntokens/s of two llama.cpp without and with numalocal: {told}\n")
        sys.stdout.write(f"ratio {ratio:.2f}\n")
    assert ratio > 1.2


def _together(engines: Sequence[Engine]) -> float:
    """Give the tokens per second of engines that run at the same time, and end them."""
    start_s = time.monotonic() + 0.5
    time.sleep(0.5 + ROUND_S)
    end_s = time.monotonic()
    for engine in engines:
        engine.stop()
    return sum(engine.rate(start_s, end_s) for engine in engines)
