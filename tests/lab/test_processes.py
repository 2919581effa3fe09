"""The lab ends what it started, and nothing else."""

import json
import os
from pathlib import Path

from lab.processes import Processes, start_time


def test_what_was_started_is_alive_until_it_is_stopped(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("sleeper", ["sleep", "60"])
    pid = json.loads((tmp_path / "sleeper.pid").read_text())["pid"]

    assert processes.alive("sleeper")
    processes.stop_all()

    assert start_time(pid) is None
    assert not processes.alive("sleeper")
    assert list(tmp_path.glob("*.pid")) == []


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("deaf", ["sh", "-c", "trap '' TERM; echo ready; sleep 60 & wait; sleep 60"])
    while not (tmp_path / "deaf.log").read_text():
        pass

    processes.stop_all(timeout_s=0.2)

    assert not processes.alive("deaf")


def test_a_pid_that_is_somebody_elses_by_now_is_left_alone(tmp_path: Path) -> None:
    record = {"pid": os.getpid(), "start": 1}
    (tmp_path / "reused.pid").write_text(json.dumps(record))

    processes = Processes(tmp_path)
    processes.stop_all()  # would end this very test

    assert not processes.alive("reused")


def test_output_is_kept_in_a_log(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("speaker", ["sh", "-c", "echo out; echo err >&2; sleep 60"])
    while (tmp_path / "speaker.log").read_text() != "out\nerr\n":
        assert processes.alive("speaker")

    processes.stop_all()
