"""Long-running processes of the lab: started apart, remembered, and ended by us alone."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_STARTED: list[subprocess.Popen[bytes]] = []
"""Kept, as Python warns of a process that is forgotten while it runs; ours are meant to."""


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of one lab, each remembered in a file by pid and start time.

    A pid alone may by now belong to somebody else; the start time (field 22 of /proc/PID/stat)
    makes it ours.
    """

    directory: Path

    def start(
        self, name: str, command: Sequence[str | Path], *, pass_fds: Sequence[int] = ()
    ) -> int:
        """Start a process that outlives this one; its output goes to `name`.log.  Gives its pid."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=pass_fds,
            )
        _STARTED.append(process)
        record = {"pid": process.pid, "start": start_time(process.pid), "command": process.args}
        (self.directory / f"{name}.pid").write_text(json.dumps(record))
        return process.pid

    def start_again(self, name: str) -> None:
        """Start what was started by this name and has ended, as it was started; no open files."""
        self.start(name, json.loads((self.directory / f"{name}.pid").read_text())["command"])

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the process that was started by this name; nothing where it is gone."""
        if (pid := self._pid(self.directory / f"{name}.pid")) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def alive(self, name: str) -> bool:
        """Tell whether the process that was started by this name still runs."""
        return self._pid(self.directory / f"{name}.pid") is not None

    def stop_all(self, timeout_s: float = 10) -> None:
        """End every process that was started, newest first: SIGTERM, then SIGKILL."""
        records = sorted(
            self.directory.glob("*.pid"), key=lambda path: path.stat().st_mtime, reverse=True
        )
        for record in records:
            self._stop(record, timeout_s)
            record.unlink()

    def _stop(self, record: Path, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        sent = signal.SIGTERM
        while (pid := self._pid(record)) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, sent)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # our own child, where `up` and `down` are one process
            if time.monotonic() > deadline:
                sent = signal.SIGKILL
            time.sleep(0.05)

    def _pid(self, record: Path) -> int | None:
        try:
            remembered = json.loads(record.read_text())
        except FileNotFoundError:
            return None
        pid = int(remembered["pid"])
        return pid if start_time(pid) == remembered["start"] is not None else None


def start_time(pid: int) -> int | None:
    """Read when a process started, in clock ticks since boot; None where it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])
