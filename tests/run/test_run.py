"""The main job without a cluster, on the machine that runs these tests."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from numalocal.engines import ENGINES

from .conftest import ROOT, UNTIL_S, Run, Start

DECODE = "[numalocal-decode, --weights, 32Mi, --seconds, '{}']"


def test_the_example_is_placed_bound_and_verified(numalocal: Run) -> None:
    done = numalocal("run", "-f", ROOT / "examples" / "local.yaml")

    last = done.stdout.rstrip().splitlines()[-1]
    assert done.returncode == 0, done.stdout + done.stderr
    assert last.startswith("verified: 1 replica, every thread on its own CPUs")
    assert "tokens/s" in done.stdout
    assert "100.0% local" in done.stdout


def test_the_engine_is_told_its_threads(numalocal: Run, worker: Callable[..., Path]) -> None:
    script = "[sh, -c, 'env; sleep 1.5']"

    done = numalocal("run", "-f", worker(script))

    assert done.returncode == 0, done.stdout
    assert "| GOMP_CPU_AFFINITY=" in done.stdout
    assert "| NUMALOCAL_RANK_CPUS=" in done.stdout


def test_more_memory_than_the_node_has_is_refused_before_the_start(
    numalocal: Run, worker: Callable[..., Path]
) -> None:
    done = numalocal("run", "-f", worker("[touch, started]", memory="64Ti"))

    last = done.stdout.rstrip().splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("not verified: replica 0: rank 0 asks for 64.0 TiB but ")
    assert not (worker("['true']").parent / "started").exists()


def test_an_engine_that_fails_is_not_verified(numalocal: Run, worker: Callable[..., Path]) -> None:
    done = numalocal("run", "-f", worker("[sh, -c, 'sleep 0.4; exit 3']"))

    assert done.returncode == 1
    assert "the engine ended with status 3" in done.stdout


def test_a_bad_document_is_sentences_and_no_traceback(
    numalocal: Run, worker: Callable[..., Path]
) -> None:
    path = worker("['true']", memory="much")
    path.write_text(path.read_text().replace("openmp,", "triton,"))

    done = numalocal("run", "-f", path)

    assert done.returncode == 2
    assert done.stdout == ""
    assert sorted(done.stderr.splitlines()) == [
        f"numalocal: spec.engine.name: 'triton' must be one of: {', '.join(ENGINES)}",
        "numalocal: spec.memory.perRank: 'much' must be an amount of memory such as 64Gi",
    ]


def test_a_pool_that_the_machine_cannot_give_says_its_numbers(
    numalocal: Run, worker: Callable[..., Path], tmp_path: Path
) -> None:
    pools = tmp_path / "pools.yaml"
    pools.write_text("pools: [{name: cpuset, size: 4096}]\n")

    done = numalocal("run", "-f", worker("['true']"), "--pools", pools)

    assert done.returncode == 1
    assert "numalocal: pool cpuset: no NUMA node has 4096 cores left" in done.stderr


def test_a_stop_ends_the_engine_and_still_tells_the_result(
    start: Start, worker: Callable[..., Path]
) -> None:
    run = start("run", "-f", worker(DECODE.format(0)))
    run.until("tokens_per_s")
    assert len(run.processes()) >= 2  # we and the engine
    run.process.send_signal(signal.SIGTERM)

    status, closing = run.end(UNTIL_S)

    assert status == 143
    assert closing.startswith(
        "ended early by SIGTERM: verified until then: 1 replica, every thread"
    )
    assert run.processes() == []


def test_runs_see_each_other_and_never_share_a_cpu(
    numalocal: Run, start: Start, worker: Callable[..., Path], tmp_path: Path
) -> None:
    pools = tmp_path / "pools.yaml"
    pools.write_text("pools: [{name: cpuset, size: numa, reserve: 0}]\n")
    path = worker(DECODE.format(0))
    first = start("run", "-f", path, "--pools", pools)
    first.until("start cpus=")

    second = numalocal("run", "-f", path, "--pools", pools)

    assert second.returncode == 1
    assert "1 CPU set is asked for, 0 are free of the 1 of pool cpuset: CPU 0" in second.stderr
    assert "held by other runs; wait for another run to end" in second.stderr


MANY_THREADS = """
import threading, time
for _ in range(400):
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
print("started", flush=True)
time.sleep(600)
"""


def test_looking_at_a_large_engine_takes_little_of_a_cpu(
    start: Start, worker: Callable[..., Path]
) -> None:
    engine = worker("[python3, engine.py]")
    (engine.parent / "engine.py").write_text(MANY_THREADS)
    run = start("run", "-f", engine)
    run.until("started")
    before_s = _cpu_s(run.process.pid)
    time.sleep(4)
    taken_s = _cpu_s(run.process.pid) - before_s
    run.process.terminate()

    run.end(UNTIL_S)

    assert "401 threads" in "".join(run.lines)
    assert taken_s < 4 * 0.03, taken_s  # a look takes 12 ms or so, ten of them a second 0.5 s


def _cpu_s(pid: int) -> float:
    """Give the CPU time of one process, by /proc/PID/stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_terminal_shows_what_runs(worker: Callable[..., Path]) -> None:
    path = worker("[sleep, '2']")
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "core"), "TERM": "xterm"}
    command = f"{sys.executable} -m numalocal.cli run -f {path}"

    done = subprocess.run(
        ["script", "--quiet", "--return", "--command", command, "/dev/null"],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert re.search(r"running for \d s, bound by ", done.stdout), done.stdout
    assert "verified: 1 replica" in done.stdout
