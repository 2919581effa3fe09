"""A process and all that it has started: CPUs, memory, and holding still."""

import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from numalocal.idset import IdSet

_ALLOWED: Final = re.compile(r"^Cpus_allowed_list:\s*(\S+)$", re.MULTILINE)
_GONE: Final = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True, slots=True)
class Resident:
    """A process's memory in bytes: all, and what is no page of a file, so that none shares it."""

    rss: int
    anonymous: int


class Family:
    """A process with its children, their children and so on, as they are now."""

    def __init__(self, pid: int) -> None:
        self.pids = [pid]
        for parent in self.pids:
            self.pids += _children(parent)

    def names(self) -> Mapping[int, str]:
        """Tell what each calls itself."""
        return {pid: Path(_text(pid, "cmdline").split("\0")[0]).name for pid in self.pids}

    def workers(self) -> list[int]:
        """Find the processes of vLLM that compute, as it started them: one for each rank."""
        return [pid for pid, name in self.names().items() if "Worker" in name]

    def cpus(self) -> Mapping[int, list[IdSet]]:
        """Tell of each process on which CPUs each of its threads may run."""
        return {pid: list(_allowed(pid)) for pid in self.pids}

    def resident(self) -> Mapping[int, Resident]:
        """Tell what memory each process has."""
        texts = {pid: _text(pid, "smaps_rollup") for pid in self.pids}
        return {
            pid: Resident(_kib(text, "Rss"), _kib(text, "Anonymous")) for pid, text in texts.items()
        }

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all that still run."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def living(self) -> list[int]:
        """List those that have not ended."""
        return [pid for pid in self.pids if _state(pid) not in ("", "Z", "X")]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let all run for a while that were held still."""
        self.send(signal.SIGCONT)
        try:
            yield
        finally:
            self.send(signal.SIGSTOP)


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(one) for task in tasks for one in (task / "children").read_text().split()]


def _allowed(pid: int) -> Iterator[IdSet]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(*_GONE):
            found = _ALLOWED.search((task / "status").read_text(encoding="ascii"))
            assert found is not None
            yield IdSet.parse(found[1])


def _text(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")


def _kib(text: str, field: str) -> int:
    found = re.search(rf"^{field}:\s*(\d+) kB$", text, re.MULTILINE)
    assert found is not None, text
    return int(found[1]) << 10


def _state(pid: int) -> str:
    try:
        return _text(pid, "stat").rpartition(")")[2].split()[0]
    except _GONE:
        return ""
