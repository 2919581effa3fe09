"""The lab's processes outlive a command, and only they are ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.commands import wait_for
from lab.processes import Processes, start_time

DEAF = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); "


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path / "run")
    yield made
    made.stop_all(timeout_s=0)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that the lab did not start."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def record(processes: Processes, name: str, **content: object) -> Path:
    processes.directory.mkdir(parents=True, exist_ok=True)
    path = processes.directory / f"{name}.pid"
    path.write_text(json.dumps(content))
    return path


def pid(processes: Processes, name: str) -> int:
    return int(json.loads((processes.directory / f"{name}.pid").read_text())["pid"])


def test_a_process_is_alive_until_it_is_stopped(processes: Processes) -> None:
    processes.start("sleeper", ["sleep", "60"])
    number = pid(processes, "sleeper")
    before = processes.alive("sleeper")

    processes.stop_all()

    assert (before, processes.alive("sleeper")) == (True, False)
    assert start_time(number) is None
    assert list(processes.directory.glob("*.pid")) == []


def test_a_process_has_a_session_of_its_own_and_a_log(processes: Processes) -> None:
    processes.start("speaker", ["sh", "-c", "echo out; echo err >&2; exec sleep 60"])
    log = processes.directory / "speaker.log"

    wait_for("the log", lambda: log.read_text() == "out\nerr\n", timeout_s=60, interval_s=0.01)

    assert os.getsid(pid(processes, "speaker")) == pid(processes, "speaker") != os.getsid(0)


def test_a_process_is_started_again_as_it_was(processes: Processes) -> None:
    processes.start("speaker", ["sh", "-c", "echo out; exec sleep 60"])
    log = processes.directory / "speaker.log"
    wait_for("the log", lambda: log.read_text() == "out\n", timeout_s=60, interval_s=0.01)

    processes.send("speaker", signal.SIGKILL)
    wait_for("its end", lambda: not processes.alive("speaker"), timeout_s=60, interval_s=0.01)
    processes.start_again("speaker")

    wait_for("the log", lambda: log.read_text() == "out\nout\n", timeout_s=60, interval_s=0.01)
    assert processes.alive("speaker")


def test_no_signal_is_sent_to_a_process_of_somebody_else(
    processes: Processes, stranger: subprocess.Popen[bytes]
) -> None:
    started = start_time(stranger.pid)
    assert started is not None
    record(processes, "old", pid=stranger.pid, start=started - 1)

    processes.send("old", signal.SIGKILL)
    processes.send("never started", signal.SIGKILL)

    assert stranger.poll() is None


def test_a_process_that_ended_by_itself_is_not_alive(processes: Processes) -> None:
    processes.start("short", ["true"])

    wait_for("its end", lambda: not processes.alive("short"), timeout_s=60, interval_s=0.01)
    processes.stop_all()

    assert list(processes.directory.glob("*.pid")) == []


def test_a_pid_that_now_belongs_to_somebody_else_is_left_alone(
    processes: Processes, stranger: subprocess.Popen[bytes]
) -> None:
    started = start_time(stranger.pid)
    assert started is not None
    path = record(processes, "old", pid=stranger.pid, start=started - 1)

    alive = processes.alive("old")
    processes.stop_all()

    assert not alive
    assert stranger.poll() is None
    assert not path.exists()


def test_a_pid_that_is_gone_is_not_alive(processes: Processes) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    record(processes, "gone", pid=process.pid, start=1)

    assert not processes.alive("gone")
    assert not processes.alive("never started")


def test_a_process_that_died_before_its_record_was_whole_matches_nothing(
    processes: Processes,
) -> None:
    record(processes, "dead", pid=2**22 + 1, start=None)

    assert not processes.alive("dead")


def test_a_process_that_ignores_sigterm_is_killed(processes: Processes) -> None:
    processes.start("deaf", [sys.executable, "-S", "-c", DEAF + "time.sleep(600)"])
    log = processes.directory / "deaf.log"
    wait_for("it to be deaf", log.read_text, timeout_s=60, interval_s=0.01)
    number = pid(processes, "deaf")

    begin = time.monotonic()
    processes.stop_all(timeout_s=0.1)

    assert start_time(number) is None
    assert time.monotonic() - begin < 60


def test_another_process_can_stop_what_this_one_started(processes: Processes) -> None:
    processes.start("sleeper", ["sleep", "60"])
    number = pid(processes, "sleeper")
    code = (
        "import sys; from pathlib import Path; from lab.processes import Processes; "
        "Processes(Path(sys.argv[1])).stop_all()"
    )
    root = Path(__file__).parents[1] / "e2e"

    subprocess.run(
        [sys.executable, "-c", code, processes.directory],
        env={**os.environ, "PYTHONPATH": str(root)},
        check=True,
        timeout=60,
    )

    assert os.waitpid(number, 0)[1] == signal.SIGTERM
