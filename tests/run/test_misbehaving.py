"""Engines that stray, hide, flood, stay and refuse to end: none hangs or fools a run."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ENVIRONMENT, ROOT, UNTIL_S, Run, Running, Start

Program = Callable[..., Path]


def last(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout.rstrip().splitlines()[-1]


@pytest.fixture
def elsewhere() -> int:
    """Give a CPU of this machine that is in no set."""
    return min(os.sched_getaffinity(0))


def test_a_thread_that_strays_for_a_second_is_told_by_name(
    numalocal: Run, program: Program, elsewhere: int
) -> None:
    done = numalocal("run", "-f", program("strays", elsewhere))

    assert done.returncode == 1, done.stdout + done.stderr
    assert last(done).startswith("not verified: replica 0: thread 'fourteen-bytes\ufffd' (id ")
    assert f" might run on CPUs {elsewhere} outside the set " in last(done)
    assert "(9 threads)" in done.stdout


def test_processes_and_threads_that_come_and_go_hide_nothing_and_accuse_nobody(
    numalocal: Run, program: Program
) -> None:
    done = numalocal("run", "-f", program("storm", 2))

    assert done.returncode == 0, done.stdout + done.stderr
    assert last(done).startswith("verified: 1 replica, ")


def test_a_daemon_that_strays_is_seen_and_ended(
    start: Start, program: Program, elsewhere: int
) -> None:
    run = start("run", "-f", program("daemon", elsewhere))
    pid = int(run.until("| daemon ").split()[-1])

    status, closing = run.end(UNTIL_S)

    assert status == 1
    assert closing.startswith("not verified: replica 0: thread ")
    assert f"pid {pid}) might run on CPUs {elsewhere}" in closing
    assert run.processes() == []


def test_a_daemon_that_keeps_the_output_delays_no_end(start: Start, program: Program) -> None:
    run = start("run", "-f", program("daemon"))
    run.until("| left")

    status, closing = run.end(UNTIL_S)

    assert (status, closing[:20]) == (0, "verified: 1 replica,")
    assert run.processes() == []


def test_what_is_no_text_is_shown_by_its_bytes(numalocal: Run, program: Program) -> None:
    done = numalocal("run", "-f", program("noise"))

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert "  | latin \\xe9t\\xe9 \\xff\\xfe\x00\n  | cut inside \\xc3\n  | xxx" in done.stdout
    assert done.stdout.count("x") > 4 << 20
    assert "  | progress 1%\n  | progress 2%\n  | last words without end\n" in done.stdout
    assert last(done).startswith("verified: 1 replica")


@pytest.mark.parametrize("reader", ["head -n 1", "grep -m1 tokens_per_s", "true"])
def test_a_reader_that_goes_away_ends_the_engine(
    worker: Callable[..., Path], reader: str, tmp_path: Path
) -> None:
    path = worker("[numalocal-decode, --weights, 8Mi, --seconds, '0']")
    script = f'"$0" run -f {path} | {reader}; echo "status ${{PIPESTATUS[0]}}"'

    done = subprocess.run(
        ["bash", "-c", script, str(ROOT / ".venv/bin/numalocal")],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=UNTIL_S,
        check=False,
    )

    assert done.stdout.splitlines()[-1] == "status 141"
    assert "Traceback" not in done.stderr
    assert "verified: 1" not in done.stdout


def test_a_reader_that_takes_nothing_delays_no_end(
    start: Start, worker: Callable[..., Path]
) -> None:
    run = start("run", "-f", worker("[sh, -c, 'echo ready; exec yes']"))
    run.until("| ready")
    run.process.send_signal(signal.SIGTERM)

    deadline = time.monotonic() + UNTIL_S
    while len(run.processes()) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)

    assert run.processes() == [run.process.pid]
    assert run.end(UNTIL_S)[0] == 143


def test_a_full_disk_does_not_end_the_engine(
    start: Start, worker: Callable[..., Path], tmp_path: Path
) -> None:
    """A file that takes no more, as on a full disk: the engine is not stopped, and this is said."""
    path = worker("[sh, -c, 'seq 99999; sleep 1.5; touch done']")
    limited = ("sh", "-c", 'ulimit -f 8; exec "$@" >log', "sh")

    # Without what measures coverage, which would write more than the limit as well.
    running = start("run", "-f", path, before=limited, environment=ENVIRONMENT)
    status, closing = running.end(UNTIL_S)

    assert (tmp_path / "done").exists()
    assert status == 2
    assert closing == "numalocal: File too large"


def test_a_device_that_is_full_is_one_sentence(start: Start, worker: Callable[..., Path]) -> None:
    full = ("sh", "-c", 'exec "$@" >/dev/full', "sh")
    run = start("run", "-f", worker("[touch, started]"), before=full)

    assert run.end(UNTIL_S) == (2, "numalocal: No space left on device")
    assert not (run.folder / "started").exists()


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_an_engine_that_ignores_an_end_is_killed_by_a_second_request(
    start: Start, program: Program, one_core_sets: Path, second: signal.Signals
) -> None:
    run = start("run", "-f", program("stubborn", replicas=2), "--pools", one_core_sets)
    run.until("| deaf", 4)
    run.process.send_signal(signal.SIGINT)
    run.until("| the engines were asked to end and have 10 s")

    run.process.send_signal(second)

    run.until("| what is left of the engines is killed")
    status, closing = run.end(7)
    assert status == 130
    assert closing.startswith("ended early by SIGINT: verified until then: 2 replicas")
    assert run.processes() == []


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_replicas_are_asked_side_by_side(
    start: Start, program: Program, one_core_sets: Path, number: signal.Signals, status: int
) -> None:
    run = start("run", "-f", program("slow_end", 2, replicas=2), "--pools", one_core_sets)
    run.until("| ready", 2)
    run.process.send_signal(number)

    ended, closing = run.end(UNTIL_S)

    said = [line.split()[-1] for line in run.lines if line.startswith(("  | asked", "  | ended"))]
    assert said == ["asked", "asked", "ended", "ended"]
    assert ended == status
    assert closing.startswith(f"ended early by {number.name}: verified until then: 2 replicas")
    assert run.processes() == []


def test_an_engine_that_has_stopped_itself_can_be_ended(
    start: Start, worker: Callable[..., Path]
) -> None:
    run = start("run", "-f", worker("[sh, -c, 'echo stopping; kill -STOP $$; sleep 600']"))
    run.until("| stopping")
    run.process.send_signal(signal.SIGTERM)

    assert run.end(9)[0] == 143  # it would be killed after 10 s
    assert run.processes() == []


def test_a_request_that_is_ignored_stays_so(start: Start, worker: Callable[..., Path]) -> None:
    """As of a run in the background of a shell, or under nohup."""
    deaf = ("sh", "-c", 'trap "" INT HUP; exec "$@"', "sh")
    run = start("run", "-f", worker("[sh, -c, 'echo ready; sleep 1.5']"), before=deaf)
    run.until("| ready")
    for number in (signal.SIGINT, signal.SIGHUP):
        run.process.send_signal(number)

    status, closing = run.end(UNTIL_S)

    assert (status, closing[:9]) == (0, "verified:")


def test_a_run_without_replicas_verifies_nothing(
    numalocal: Run, worker: Callable[..., Path]
) -> None:
    done = numalocal("run", "-f", worker("[touch, started]", replicas=0))

    assert done.returncode == 1
    assert last(done) == "nothing was verified: spec.replicas is 0, no engine was started"


def test_a_terminal_is_not_taken_over(worker: Callable[..., Path], tmp_path: Path) -> None:
    words = r"\033[31mred\033[0m \033[2Jcleared\033]0;title\007 \033[?1049h\r\nnext"
    path = worker(f"[sh, -c, \"printf '{words}'; sleep 1.5\"]".replace("\\", "\\\\"))

    done = subprocess.run(
        ["script", "--quiet", "--return", "--command", f"numalocal run -f {path}", "/dev/null"],
        cwd=tmp_path,
        env={**ENVIRONMENT, "TERM": "xterm", "PATH": f"{ROOT / '.venv/bin'}:/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=UNTIL_S,
        check=False,
    )

    assert "  | \x1b[31mred\x1b[0m cleared \x1b[0m" in done.stdout, done.stdout
    assert not any(bad in done.stdout for bad in ("\x1b[2J", "\x1b]", "\x1b[?1049h", "\x07"))
    assert "verified: 1 replica" in done.stdout


def test_a_killed_run_leaves_the_claim_with_its_engine(
    numalocal: Run, start: Start, worker: Callable[..., Path], one_core_sets: Path
) -> None:
    path = worker("[sh, -c, 'echo ready; exec sleep 600']", replicas=2)
    run: Running = start("run", "-f", path, "--pools", one_core_sets)
    run.until("| ready", 2)
    run.process.kill()
    run.process.wait()

    done = numalocal("run", "-f", path, "--pools", one_core_sets)

    assert done.returncode == 1
    assert "is held by other runs" in done.stderr
