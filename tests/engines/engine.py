"""A running engine: what the kernel says of its threads, and what it prints of its rate."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO, Final

from numalocal import names
from numalocal.idset import IdSet

STOP_TIMEOUT_S: Final = 20.0
LOOK_S: Final = 1.0
MOST_LOOKS: Final = 10
ENDED: Final = 128 + signal.SIGTERM
"""The exit status of a run that `Engine.stop` has ended."""
VERIFIED: Final = "\nended early by SIGTERM: verified until then: 1 replica"
_READY: Final = re.compile(r"\bready pid=(\d+)")
_TOKENS: Final = re.compile(r"\btokens=(\d+) at=(\S+)")
_ALLOWED: Final = re.compile(r"^Cpus_allowed_list:\s*(\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Look:
    """A thread: the CPUs that it may run on, and how long it has run or waited for one of them."""

    cpus: IdSet
    busy_ns: int


class Engine:
    """An engine that has computed its first token, started by `process` or that process itself."""

    def __init__(self, process: subprocess.Popen[str], output: IO[str]) -> None:
        self._process = process
        self._lines: list[str] = []
        self.pid = self._first(output)
        self._reader = Thread(target=lambda: self._lines.extend(output), daemon=True)
        self._reader.start()

    def told(self) -> Mapping[str, str]:
        """Give the variables that it was started with."""
        text = Path(f"/proc/{self.pid}/environ").read_text(encoding="utf-8")
        return dict(one.split("=", 1) for one in text.split("\0") if "=" in one)

    def cpus(self) -> IdSet:
        """Give the CPUs of its set."""
        return IdSet.parse(self.told()[names.ENV_CPUS])

    def planned(self) -> IdSet:
        """Give the CPUs on which numalocal has told it to compute."""
        return IdSet.parse(self.told()[names.ENV_RANK_COMPUTE_CPUS])

    def looks(self) -> Mapping[int, Look]:
        """Look at all threads once, by their ids."""
        found = {}
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                allowed = _ALLOWED.search((task / "status").read_text(encoding="ascii"))
                ran_ns, waited_ns, _ = (task / "schedstat").read_text(encoding="ascii").split()
                assert allowed is not None
                busy_ns = int(ran_ns) + int(waited_ns)
                found[int(task.name)] = Look(IdSet.parse(allowed[1]), busy_ns)
        return found

    def computing(self) -> Mapping[int, Look]:
        """Find the threads that compute: they are busy at least a tenth as long as the busiest one.

        Busy is who runs, or waits for a CPU that others have.  Threads that wait for work all the
        time, such as those of an import, are none.
        """
        before = self.looks()
        time.sleep(LOOK_S)
        after = self.looks()
        both = before.keys() & after.keys()
        busy = {one: after[one].busy_ns - before[one].busy_ns for one in both}
        return {one: after[one] for one in busy if busy[one] * 10 >= max(busy.values())}

    def team(self, threads: int) -> Mapping[int, Look]:
        """Find those that compute in the first look that shows so many of them, or in the last.

        On a busy machine a thread that waits for the others may sleep in some.
        """
        found = self.computing()
        for _ in range(MOST_LOOKS - 1):
            if len(found) >= threads:
                break
            found = self.computing()
        return found

    def rate(self, start_s: float, end_s: float) -> float:
        """Give the tokens per second between two times of the monotonic clock."""
        pairs = [(int(one[1]), float(one[2])) for one in map(_TOKENS.search, self._lines) if one]
        within = [(tokens, at) for tokens, at in pairs if start_s <= at <= end_s]
        assert len(within) > 1, self.output()
        (first, since), (last, until) = within[0], within[-1]
        return (last - first) / (until - since)

    def computes_as_planned(self, cores: int) -> None:
        """Require a computing thread for each core of its set, and none outside."""
        computing = self.team(cores)
        planned = self.planned()
        assert len(computing) == len(planned) == cores, (computing, self.output())
        assert all(one.cpus <= planned for one in computing.values()), computing

    def ends_verified(self) -> None:
        """Require that numalocal itself saw nothing that was not as planned."""
        status, output = self.stop()
        assert (status, VERIFIED in output) == (ENDED, True), output
        assert re.search(r"^ +rate +\S+ tokens/s, \S+ GB/s$", output, re.MULTILINE), output

    def stop(self) -> tuple[int, str]:
        """Ask it to end; give its exit status and all that it has printed."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(STOP_TIMEOUT_S)
        self._reader.join()
        return status, self.output()

    def output(self) -> str:
        """Give what was printed up to now."""
        return "".join(self._lines)

    def _first(self, output: IO[str]) -> int:
        for line in output:
            self._lines.append(line)
            if found := _READY.search(line):
                return int(found[1])
        raise AssertionError(self.output())


@contextmanager
def started(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Engine]:
    """Start an engine, wait until it computes, and leave nothing of it."""
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None  # PIPE was asked for
        engine = Engine(process, process.stdout)
        try:
            yield engine
        finally:
            engine.stop()
