"""One program on each of the three OpenMP runtimes, and the worker that it is the engine of."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest

SOURCE: Final = Path(__file__).parent / "programs" / "openmp_threads.c"
COMPILE: Final[Mapping[str, tuple[str, ...]]] = {
    "gnu": ("gcc", "-fopenmp"),
    "llvm": ("clang", "-fopenmp=libomp"),
    "intel": ("clang", "-fopenmp=libiomp5"),
}
LIBRARY: Final[Mapping[str, str]] = {
    "gnu": "libgomp.so.1",
    "llvm": "libomp.so.5",
    "intel": "libiomp5.so",
}


class Program(NamedTuple):
    """A program and the library that its threads are of."""

    path: Path
    library: Path


Build = Callable[[str], Program]


def worker(
    family: str, program: str | Path, own: Mapping[str, str] | None = None, replicas: int = 1
) -> str:
    """Write a worker told in a family's words, with its user's own variables; JSON is YAML."""
    env = [{"name": name, "value": value} for name, value in (own or {}).items()]
    container = {"name": "engine", "command": [str(program)], "env": env}
    engine = {"name": "openmp", "openMP": family}
    template = {"spec": {"containers": [container]}}
    spec = {"replicas": replicas, "engine": engine, "template": template}
    return json.dumps({"kind": "CpuInferenceWorker", "metadata": {"name": "openmp"}, "spec": spec})


def build(runtime: str, folder: Path, intel: Path) -> Program:
    """Build the program against a runtime; `intel` is the folder of Intel's."""
    path = folder / f"openmp-{runtime}"
    places = (f"-L{intel}", f"-Wl,-rpath,{intel}") if runtime == "intel" else ()
    command = [*COMPILE[runtime], "-O1", *places, str(SOURCE), "-o", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"run `make test-engines`: {' '.join(command)}: {done.stderr}")
    return Program(path, _loaded(path, LIBRARY[runtime]))


def _loaded(program: Path, name: str) -> Path:
    """Find the library that a program loads."""
    told = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True)
    (line,) = [line for line in told.stdout.splitlines() if line.strip().startswith(name)]
    return Path(line.split("=>")[1].split()[0])
