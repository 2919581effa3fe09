"""vLLM itself, two engines beside each other: under `numalocal run`, and in three other ways."""

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

import pytest

from numalocal.engines.vllm_memory import OVERHEAD_BYTES
from numalocal.idset import IdSet, union

from .engine import Engine, started
from .family import Family
from .pair import Pair, Start, Told, together
from .planning import PROGRAMS, cache

pytestmark = pytest.mark.vllm

ROUNDS: Final = 5
RATE_TIMEOUT_S: Final = 120.0
MANY_THREADS: Final = 16
"""What an engine takes on a large host when nobody tells it that it has a part of it."""
MIB: Final = 1 << 20
NEEDS_MIB: Final = 17 << 10
"""Eight engines at the same time."""

WORKER: Final = """
apiVersion: numalocal.io/v1alpha1
kind: CpuInferenceWorker
metadata: {{name: test}}
spec:
  ranks: {ranks}
  engine: {{name: vllm, reservedCores: 0}}
  memory: {{perRank: 1536Mi, kvCache: 256Mi}}
  template:
    spec:
      containers:
        - {{name: engine, command: {command}}}
"""
POOLS: Final = "pools: [{name: cpuset, size: 1, reserve: 0}]\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the workers and their pools."""
    if not (cache() / "vllm" / "installed").is_file():
        pytest.skip("run `make test-vllm`")
    made = tmp_path_factory.mktemp("vllm")
    for ranks in (1, 2):
        text = WORKER.format(ranks=ranks, command=program(made))
        (made / f"worker-{ranks}.yaml").write_text(text, encoding="utf-8")
    (made / "pools.yaml").write_text(POOLS, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def environment(folder: Path) -> Told:
    """Give what every process gets."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{PROGRAMS.parents[1] / 'core'}:{PROGRAMS}",
        "PYTHONUNBUFFERED": "1",
        # Nothing of it leaves the folder.
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
    }


@pytest.fixture(scope="module")
def start(environment: Told) -> Iterator[Start]:
    """Start engines, and leave nothing of them."""
    with ExitStack() as stack:

        def begin(command: Sequence[str], told: Told) -> Engine:
            engine = stack.enter_context(started(command, {**environment, **told}))
            family = Family(engine.pid)
            stack.callback(family.send, signal.SIGCONT)
            return engine

        yield begin


@pytest.fixture(scope="module")
def pairs(folder: Path, start: Start) -> dict[str, Pair]:
    """Start two engines in each of four ways, all on the CPUs that numalocal gives to the first.

    While a pair starts, those before it hold still.
    """
    if available_mib() < NEEDS_MIB:
        pytest.skip(f"eight engines need {NEEDS_MIB} MiB of memory")
    ours = together(start, [(bound(folder, ranks=1), {})] * 2)
    both = union(engine.cpus() for engine in ours.engines)
    ways: dict[str, list[tuple[IdSet, Told]]] = {
        "by hand": [
            (one.cpus(), {"VLLM_CPU_OMP_THREADS_BIND": str(one.planned())}) for one in ours.engines
        ],
        "auto": [(both, {})] * 2,
        "unbound": [
            (both, {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(MANY_THREADS)})
        ]
        * 2,
    }
    made = {"numalocal": ours}
    for way, engines in ways.items():
        commands = [
            (["taskset", "--cpu-list", str(cpus), *program(folder)], told) for cpus, told in engines
        ]
        made[way] = together(start, commands)
    return made


def program(folder: Path) -> list[str]:
    python = cache() / "vllm" / "bin" / "python"
    return [str(python), "-m", "programs.vllm_engine", str(folder), "--seconds", "3600"]


def bound(folder: Path, *, ranks: int) -> list[str]:
    run = [sys.executable, "-m", "numalocal.cli", "run", "-f", str(folder / f"worker-{ranks}.yaml")]
    return [*run, "--pools", str(folder / "pools.yaml")]


def told_rate(engine: Engine) -> None:
    """Wait for the first rate: two ranks on two cores wait for their scheduler."""
    end_s = time.monotonic() + RATE_TIMEOUT_S
    while "tokens_per_s=" not in engine.output():
        assert time.monotonic() < end_s, engine.output()
        time.sleep(0.2)


def available_mib() -> int:
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    return int(text.partition("MemAvailable:")[2].split()[0]) >> 10


def shown(capsys: pytest.CaptureFixture[str], *lines: str) -> None:
    with capsys.disabled():
        sys.stdout.write("\n".join(("", *lines, "")))


def test_each_rank_computes_on_its_own_set(folder: Path, environment: Told) -> None:
    """The first test, as it needs the sets of all others."""
    with started(bound(folder, ranks=2), environment) as engine:
        family = Family(engine.pid)
        planned = engine.told()["NUMALOCAL_RANK_COMPUTE_CPUS"].split("|")
        allowed = family.cpus()

        first, second = (str(allowed[pid][0]) for pid in family.workers())
        assert [first, second] == planned
        for threads in allowed.values():
            assert all(cpus <= engine.cpus() for cpus in threads), threads
        told_rate(engine)
        engine.ends_verified()
        assert not family.living()


def test_every_thread_of_an_engine_keeps_to_its_set(pairs: dict[str, Pair]) -> None:
    ours = pairs["numalocal"]
    first, second = ours.engines

    assert first.cpus().isdisjoint(second.cpus())
    for engine, family in zip(ours.engines, ours.families, strict=True):
        names, allowed = family.names(), family.cpus()
        for pid, threads in allowed.items():
            assert all(cpus <= engine.cpus() for cpus in threads), (names[pid], threads)
        assert engine.planned() in allowed[family.workers()[0]]
        assert any("EngineCore" in name for name in names.values()), names


def test_two_engines_lose_nothing_against_two_that_are_bound_by_hand(
    pairs: dict[str, Pair], capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(ROUNDS):
        for pair in pairs.values():
            pair.measure()

    ours = pairs["numalocal"].rounds
    ratio = {
        way: median(one / mine for one, mine in zip(pair.rounds, ours, strict=True))
        for way, pair in pairs.items()
    }
    shown(
        capsys,
        "two vLLM   computes on  tokens/s of both, by round          median  to numalocal",
        *(
            f"{way:10} {pair.computes_on():11} {' '.join(f'{one:6.1f}' for one in pair.rounds)}"
            f"  {median(pair.rounds):6.1f}  {ratio[way]:.2f}"
            for way, pair in pairs.items()
        ),
    )
    assert 1 / ratio["by hand"] > 0.9
    assert ratio["auto"] < 0.75
    assert ratio["unbound"] < 0.6


def test_what_is_no_worker_stays_within_what_numalocal_leaves_for_it(
    pairs: dict[str, Pair], capsys: pytest.CaptureFixture[str]
) -> None:
    family = pairs["numalocal"].families[0]
    names, resident = family.names(), family.resident()

    shown(
        capsys,
        "process            RSS MiB  anonymous MiB",
        *(
            f"{names[pid]:16}  {one.rss / MIB:8.0f} {one.anonymous / MIB:14.0f}"
            for pid, one in resident.items()
        ),
    )
    beside = [one.rss for pid, one in resident.items() if "Worker" not in names[pid]]
    assert sum(beside) < OVERHEAD_BYTES


def test_ended_engines_were_as_planned_and_leave_nothing(pairs: dict[str, Pair]) -> None:
    """The last test, as it ends them."""
    ours = pairs["numalocal"]
    for family in ours.families:
        family.send(signal.SIGCONT)
    for engine, family in zip(ours.engines, ours.families, strict=True):
        engine.ends_verified()
        assert not family.living()
