"""libgomp, LLVM's libomp and Intel's libiomp5 do what they are told, each in its own words."""

import os
from pathlib import Path

import pytest

from lab import bare, binaries, packages
from lab.choices import chosen
from lab.node_image import node_image

from .conftest import POOLS, ROOT, Start
from .engine import ENDED, VERIFIED
from .openmp_programs import LIBRARY, Build, worker

pytestmark = pytest.mark.engines


@pytest.mark.parametrize("family", ["own", "auto"])
@pytest.mark.parametrize("runtime", LIBRARY)
def test_one_thread_holds_each_core_of_the_plan(
    openmp_program: Build, openmp: Start, runtime: str, family: str
) -> None:
    engine = openmp(runtime if family == "own" else "auto", openmp_program(runtime))

    threads = [str(one.cpus) for one in engine.team(2).values()]

    assert LIBRARY[runtime] in Path(f"/proc/{engine.pid}/maps").read_text()
    assert sorted(threads) == [str(cpu) for cpu in engine.planned()]
    assert len(threads) == 2
    status, output = engine.stop()
    assert (status, VERIFIED in output) == (ENDED, True), output


SCRIPT = """
export PYTHONPATH=. LD_LIBRARY_PATH=$PWD
mkdir -p /dev/shm && mount -t tmpfs none /dev/shm # LLVM's runtime ends without it
for runtime in gnu llvm intel; do
  python3 -m numalocal.cli run -f $runtime.json --pools pools.yaml >$runtime.log 2>&1 &
  run=$!
  for turn in $(seq 300); do # until each has its team, which takes long where all is emulated
    [ $(grep -c "ready pid=" $runtime.log) = 2 ] && break
    sleep 0.2
  done
  for comm in $(grep -lx openmp-$runtime /proc/[0-9]*/comm); do
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
def files(openmp_program: Build, environment: dict[str, str], tmp_path: Path) -> dict[str, Path]:
    """Give what the machine needs: numalocal, a worker for each runtime, and its library."""
    pools = tmp_path / "pools.yaml"
    pools.write_text(POOLS.format(cores=2), encoding="utf-8")
    needed = {"numalocal": ROOT / "core" / "numalocal", "pools.yaml": pools}
    needed["numalocal-bind"] = ROOT / "build" / "numalocal-bind"
    for runtime in LIBRARY:
        path, library = openmp_program(runtime)
        file = tmp_path / f"{runtime}.json"
        file.write_text(worker(runtime, f"./{path.name}", replicas=2), encoding="utf-8")
        needed |= {file.name: file, path.name: path, LIBRARY[runtime]: library.resolve()}
    return needed


def test_threads_hold_the_highest_sibling_of_each_core_on_two_numa_nodes(
    files: dict[str, Path], tmp_path: Path
) -> None:
    packages.require()
    choices = chosen(os.environ)
    image = node_image(binaries.kubernetes(choices.kubernetes), choices.runtime)

    printed = bare.run_script(image, [*LAB_SHAPE], SCRIPT, files, tmp_path).splitlines()

    for runtime in LIBRARY:
        threads = [line.split()[2] for line in printed if line.startswith(f"thread {runtime}")]
        assert sorted(threads) == ["1", "3", "5", "7"], "\n".join(printed)
        ended = f"log {runtime} ended early by SIGTERM: verified until then: 2 replicas"
        assert any(line.startswith(ended) for line in printed), "\n".join(printed)
