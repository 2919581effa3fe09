"""`numalocal topology` and `numalocal plan` as a user starts them."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import simulated
from numalocal.idset import IdSet

from .conftest import ROOT, Run

WORKER = """
apiVersion: numalocal.io/v1alpha1
kind: CpuInferenceWorker
metadata: {name: llama}
spec:
  replicas: 2
  ranks: 2
  engine: {name: vllm}
  memory: {perRank: 32Gi}
  template: {spec: {containers: [{name: engine, image: vllm}]}}
"""


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Take back what a shell's & ignores: children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def epyc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out a machine that is read alone."""
    root = tmp_path_factory.mktemp("machine") / "epyc"
    simulated.write(root, simulated.MACHINES["epyc-nps4"])
    return root


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_this_machine_is_told_as_its_kernel_says(numalocal: Run) -> None:
    told = json.loads(numalocal("topology", "-o", "json").stdout)

    online = IdSet.parse(Path("/sys/devices/system/cpu/online").read_text())
    assert told["online_cpus"] == str(online)
    assert set(told) >= {"allowed_cpus", "packages", "numa_nodes", "cores", "l3", "findings"}
    assert {"sets", "shared_cpus"} <= set(told)


def test_a_pool_file_adds_its_sets_to_the_document(
    numalocal: Run, epyc: Path, file: Callable[[str, str], Path]
) -> None:
    pools = file("pools.yaml", "pools: [{name: ccd, size: l3}]")

    done = numalocal("topology", "--root", epyc, "--pools", pools, "-o", "json")

    told = json.loads(done.stdout)
    assert len(told["sets"]) == len(told["l3"]) == 16
    one = told["sets"][1]
    assert (one["id"], one["pool"], one["cpus"]) == ("ccd-n0-c8x16", "ccd", "8-15,136-143")
    assert 0 < one["memory_bytes"] < told["numa_nodes"][one["numa_node"]]["memory_bytes"] / 2
    assert IdSet.parse(told["shared_cpus"]).first == 0


def test_the_picture_fits_the_width_and_has_no_colour_when_it_is_read_by_a_program(
    numalocal: Run, epyc: Path
) -> None:
    done = numalocal("topology", "--root", epyc)

    assert done.returncode == 0, done.stderr
    assert "8 NUMA nodes" in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_a_drawing_is_an_svg(numalocal: Run, epyc: Path) -> None:
    done = numalocal("topology", "--root", epyc, "-o", "svg")

    assert ElementTree.fromstring(done.stdout).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_plan_shows_where_every_rank_would_land(
    numalocal: Run, epyc: Path, file: Callable[[str, str], Path]
) -> None:
    worker = file("worker.yaml", WORKER)

    shown = numalocal("plan", "-f", worker, "--root", epyc)
    told: dict[str, Any] = json.loads(
        numalocal("plan", "-f", worker, "--root", epyc, "-o", "json").stdout
    )

    assert shown.returncode == 0, shown.stderr
    assert "llama-1 rank 1" in shown.stdout
    assert "VLLM_CPU_OMP_THREADS_BIND=" in shown.stdout
    ranks = [rank for replica in told["replicas"] for rank in replica["ranks"]]
    assert [rank["numa_node"] for rank in ranks] == [0, 1, 2, 3]
    assert len({rank["set"] for rank in ranks}) == 4


def test_a_plan_that_does_not_fit_says_so_and_fails(
    numalocal: Run, epyc: Path, file: Callable[[str, str], Path]
) -> None:
    worker = file("worker.yaml", WORKER.replace("32Gi", "64Ti"))

    done = numalocal("plan", "-f", worker, "--root", epyc)

    assert done.returncode == 1
    last = done.stdout.rstrip().splitlines()[-1]
    assert last.startswith("does not fit: 1 rank asks for 64.0 TiB but NUMA node 3 has ")
    assert last.endswith("what fits is spec.memory.perRank: 58Gi")


def test_a_plan_whose_sets_there_are_not_does_not_fit(
    numalocal: Run, epyc: Path, file: Callable[[str, str], Path]
) -> None:
    worker = file("worker.yaml", WORKER.replace("ranks: 2", "ranks: 9"))

    done = numalocal("plan", "-f", worker, "--root", epyc)

    assert done.returncode == 1
    assert done.stderr.startswith("numalocal: 18 CPU sets are asked for, 8 are free of the 8 of")


@pytest.mark.parametrize("text", ["spec: {", "kind: CpuInferenceWorker", "{}"])
def test_a_plan_that_cannot_be_read_ends_with_a_status_of_its_own(
    numalocal: Run, epyc: Path, file: Callable[[str, str], Path], text: str
) -> None:
    done = numalocal("plan", "-f", file("worker.yaml", text), "--root", epyc)

    assert done.returncode == 2
    assert done.stderr.startswith("numalocal: ")


def test_a_machine_too_small_for_any_set_is_shown_and_says_why(
    numalocal: Run, tmp_path: Path
) -> None:
    for name, text in {"sys/devices/system/cpu/online": "0", "proc/meminfo": ""}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)

    done = numalocal("topology", "--root", tmp_path)

    assert done.returncode == 0
    assert "no CPU sets: pool cpuset: no NUMA node has at least 1 core left" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--root", "/nowhere"], "numalocal: /sys/devices/system/cpu: holds no online CPU"),
        (["--pools", "/nowhere"], "numalocal: file: '/nowhere' cannot be read"),
    ],
    ids=["no machine", "no pool file"],
)
def test_what_is_wrong_is_a_sentence(numalocal: Run, arguments: list[str], sentence: str) -> None:
    done = numalocal("topology", *arguments)

    assert done.returncode == 2
    assert done.stderr.startswith(sentence)
    assert "Traceback" not in done.stderr


def free_cpus(numalocal: Run) -> None:
    """Wait until whatever another test had started is gone from the CPUs."""
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        done = numalocal("bench", "--weights", "1Mi", "--seconds", "0.01")
        if done.returncode == 0:
            return
        time.sleep(0.5)
    raise AssertionError(done.stderr)


def test_a_measurement_has_every_node_and_both_ways(numalocal: Run) -> None:
    free_cpus(numalocal)
    done = numalocal("bench", "--weights", "16Mi", "--seconds", "0.2", "-o", "json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["bandwidth"]
    assert all(one["gb_per_s"] > 0 for one in told["bandwidth"])
    assert told["scaling"][0]["threads"] == 1
    assert all(one["bound"] > 0 and one["unbound"] > 0 for one in told["scaling"])
    assert "measuring 1 of " in done.stderr


def test_a_measurement_that_is_stopped_shows_what_it_has(
    numalocal: Run, interruptible: None
) -> None:
    free_cpus(numalocal)
    command = [sys.executable, "-m", "numalocal.cli", "bench", "--weights", "16Mi"]
    with subprocess.Popen(
        [*command, "--seconds", "0.2", "-o", "json"],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "core")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as bench:
        assert bench.stderr
        assert bench.stdout
        said = next((line for line in bench.stderr if "measuring 2 of" in line), "")
        bench.send_signal(signal.SIGINT)
        told = json.loads(bench.stdout.read())
        rest = bench.stderr.read()

    assert said
    assert "Traceback" not in rest
    assert bench.returncode == 130
    assert len(told["bandwidth"]) == 1
