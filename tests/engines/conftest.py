"""Real engines, started as a user starts them: under `numalocal run`, or plainly beside it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from numalocal.idset import IdSet

from .engine import Engine, started
from .openmp_programs import Build, Program, build, worker

ROOT = Path(__file__).parents[2]
Bound = Callable[..., Engine]
Plain = Callable[..., Engine]
Start = Callable[..., Engine]

WORKER = """
apiVersion: numalocal.io/v1alpha1
kind: CpuInferenceWorker
metadata: {{name: test}}
spec:
  engine: {{name: {engine}}}
  memory: {{perRank: 64Mi}}
  template:
    spec:
      containers:
        - {{name: engine, command: {command}}}
"""
POOLS = "pools: [{{name: cpuset, size: {cores}, reserve: 0, threadsPerCore: 1}}]\n"


@pytest.fixture(scope="session")
def engines_python() -> Path:
    """Give the Python that has the engines, once setup/engines.sh says that it is whole."""
    cache = os.environ.get("NUMALOCAL_CACHE") or Path.home() / ".cache" / "numalocal"
    folder = Path(cache) / "engines"
    if not (folder / "installed").is_file():
        pytest.skip("run `make test-engines`")
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def environment(engines_python: Path) -> dict[str, str]:
    """Give what every process gets: numalocal and our engine programs to import."""
    subprocess.run(["make", "-s", "-C", str(ROOT / "native"), "all"], check=True)
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT / 'core'}:{Path(__file__).parent}",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture(scope="session")
def model(
    engines_python: Path, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Give a model for llama.cpp with random weights."""
    path = tmp_path_factory.mktemp("llama") / "random.gguf"
    command = [str(engines_python), "-m", "programs.llama_model", str(path)]
    subprocess.run(command, env=environment, check=True)
    return path


@pytest.fixture
def ended() -> Iterator[ExitStack]:
    """End, with the test, what it has started."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def bound(
    engines_python: Path, environment: dict[str, str], tmp_path: Path, ended: ExitStack
) -> Bound:
    """Start an engine program under `numalocal run` with one set; it computes on return."""

    def start(engine: str, *program: str | Path, cores: int) -> Engine:
        worker, pools = tmp_path / "worker.yaml", tmp_path / f"pools-{cores}.yaml"
        command = [str(engines_python), "-m", *map(str, program)]
        worker.write_text(WORKER.format(engine=engine, command=command), encoding="utf-8")
        pools.write_text(POOLS.format(cores=cores), encoding="utf-8")
        run = [sys.executable, "-m", "numalocal.cli", "run", "-f", str(worker)]
        return ended.enter_context(started([*run, "--pools", str(pools)], environment))

    return start


@pytest.fixture
def plain(engines_python: Path, environment: dict[str, str], ended: ExitStack) -> Plain:
    """Start an engine program beside numalocal: its variables are ours, its CPUs shared by all."""

    def start(*program: str | Path, told: dict[str, str], cpus: IdSet) -> Engine:
        python = ["taskset", "--cpu-list", str(cpus), str(engines_python)]
        command = [*python, "-m", *map(str, program)]
        return ended.enter_context(started(command, {**environment, **told}))

    return start


@pytest.fixture(scope="session")
def openmp_program(engines_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Build the OpenMP program on a runtime."""
    folder = tmp_path_factory.mktemp("openmp")
    return lambda runtime: build(runtime, folder, engines_python.parents[1] / "lib")


@pytest.fixture
def openmp(environment: dict[str, str], tmp_path: Path, ended: ExitStack) -> Start:
    """Start an OpenMP program under `numalocal run` on a set of two cores, told in a family."""

    def start(family: str, program: Program, own: Mapping[str, str] | None = None) -> Engine:
        file, pools = tmp_path / "worker.json", tmp_path / "pools.yaml"
        file.write_text(worker(family, program.path, own), encoding="utf-8")
        pools.write_text(POOLS.format(cores=2), encoding="utf-8")
        run = [sys.executable, "-m", "numalocal.cli", "run", "-f", str(file)]
        return ended.enter_context(started([*run, "--pools", str(pools)], environment))

    return start
