"""libgomp, LLVM's libomp and Intel's libiomp5 do what they are told, each in its own words."""

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab import bare, binaries
from lab.node_image import node_image

from .conftest import POOLS, ROOT
from .engine import Engine, started
from .openmp_programs import LIBRARY, Program, build

pytestmark = pytest.mark.engines

Build = Callable[[str], Program]
Start = Callable[..., Engine]


def worker(openmp: str, command: list[str], replicas: int = 1, preload: str = "") -> str:
    """Write a worker; JSON is YAML."""
    env = [{"name": "LD_PRELOAD", "value": preload}] if preload else []
    template = {"spec": {"containers": [{"name": "engine", "command": command, "env": env}]}}
    engine = {"name": "openmp", "openMP": openmp}
    spec = {"replicas": replicas, "engine": engine, "template": template}
    return json.dumps({"kind": "CpuInferenceWorker", "metadata": {"name": "openmp"}, "spec": spec})


@pytest.fixture(scope="module")
def program(engines_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("openmp")
    return lambda runtime: build(runtime, folder, engines_python.parents[1] / "lib")


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path, ended: ExitStack) -> Start:
    """Start a program under `numalocal run` on a set of two cores."""

    def begin(openmp: str, path: Path, preload: str = "") -> Engine:
        file, pools = tmp_path / "worker.json", tmp_path / "pools.yaml"
        file.write_text(worker(openmp, [str(path)], preload=preload), encoding="utf-8")
        pools.write_text(POOLS.format(cores=2), encoding="utf-8")
        run = [sys.executable, "-m", "numalocal.cli", "run", "-f", str(file), "--pools", str(pools)]
        return ended.enter_context(started(run, environment))

    return begin


@pytest.mark.parametrize("openmp", ["own", "auto"])
@pytest.mark.parametrize("runtime", LIBRARY)
def test_one_thread_holds_each_core_of_the_plan(
    program: Build, start: Start, runtime: str, openmp: str
) -> None:
    engine = start(runtime if openmp == "own" else "auto", program(runtime).path)

    threads = [str(one.cpus) for one in engine.computing().values()]

    assert LIBRARY[runtime] in Path(f"/proc/{engine.pid}/maps").read_text()
    assert sorted(threads) == [str(cpu) for cpu in engine.planned()]
    assert len(threads) == 2
    status, output = engine.stop()
    assert (status, "\nverified: 1 replica" in output) == (0, True), output


def test_a_program_of_gcc_on_intels_runtime_needs_intels_words(
    program: Build, start: Start
) -> None:
    """What many Python images are: both runtimes are loaded, and libgomp knows no KMP_AFFINITY."""
    engine = start("intel", program("gnu").path, str(program("intel").library))

    threads = [str(one.cpus) for one in engine.computing().values()]

    assert sorted(threads) == [str(cpu) for cpu in engine.planned()]


def test_the_standards_words_stack_such_a_program_on_one_core(program: Build, start: Start) -> None:
    engine = start("auto", program("gnu").path, str(program("intel").library))

    threads = [str(one.cpus) for one in engine.computing().values()]

    assert (len(threads), len(set(threads))) == (2, 1)


SCRIPT = """
export PYTHONPATH=. LD_LIBRARY_PATH=$PWD
mkdir -p /dev/shm && mount -t tmpfs none /dev/shm # LLVM's runtime ends without it
for runtime in gnu llvm intel; do
  python3 -m numalocal.cli run -f $runtime.json --pools pools.yaml >$runtime.log 2>&1 &
  run=$!
  for turn in $(seq 100); do
    running=$(grep -lx openmp-$runtime /proc/[0-9]*/comm 2>/dev/null)
    [ $(echo $running | wc -w) = 2 ] && break
    sleep 0.2
  done
  sleep 3
  for comm in $running; do
    grep -h Cpus_allowed_list ${comm%comm}task/*/status | sed "s/.*:/thread $runtime/"
  done
  kill $run
  wait $run
  sed "s/^/log $runtime /" $runtime.log
done
"""
LAB_SHAPE = (
    *("-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max,topoext=on", "-m", "1800M"),
    *("-smp", "8,sockets=2,cores=2,threads=2"),
    *("-object", "memory-backend-ram,id=ram0,size=900M", "-numa", "node,cpus=0-3,memdev=ram0"),
    *("-object", "memory-backend-ram,id=ram1,size=900M", "-numa", "node,cpus=4-7,memdev=ram1"),
)
"""Two NUMA nodes of two cores with two threads, as the lab's node."""


@pytest.fixture
def files(program: Build, environment: dict[str, str], tmp_path: Path) -> dict[str, Path]:
    """Give what the machine needs: numalocal, a worker for each runtime, and its library."""
    pools = tmp_path / "pools.yaml"
    pools.write_text(POOLS.format(cores=2), encoding="utf-8")
    needed = {"numalocal": ROOT / "core" / "numalocal", "pools.yaml": pools}
    needed["numalocal-bind"] = ROOT / "build" / "numalocal-bind"
    for runtime in LIBRARY:
        path, library = program(runtime)
        file = tmp_path / f"{runtime}.json"
        file.write_text(worker(runtime, [f"./{path.name}"], replicas=2), encoding="utf-8")
        needed |= {file.name: file, path.name: path, LIBRARY[runtime]: library.resolve()}
    return needed


def test_threads_hold_the_highest_sibling_of_each_core_on_two_numa_nodes(
    files: dict[str, Path], tmp_path: Path
) -> None:
    image = node_image(binaries.kubernetes())

    printed = bare.run_script(image, [*LAB_SHAPE], SCRIPT, files, tmp_path).splitlines()

    for runtime in LIBRARY:
        threads = [line.split()[2] for line in printed if line.startswith(f"thread {runtime}")]
        assert sorted(threads) == ["1", "3", "5", "7"], printed
        assert any(line.startswith(f"log {runtime} verified: 2 replicas") for line in printed)
