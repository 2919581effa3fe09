"""One running replica: started through the binder, looked at, ended."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO, Final

from numalocal.host import binder
from numalocal.host.cgroups import Cgroup
from numalocal.host.observation import Observation, observe
from numalocal.host.placement import Placement
from numalocal.host.verdict import Outcome
from numalocal.report import CheckReport

LOOK_SHARE: Final = 0.01
"""The part of a CPU that looking may take: of a large process a look takes 20 ms, and stops it from
mapping memory meanwhile (/proc/PID/numa_maps)."""
LONGEST_INTERVAL_S: Final = 1.0
STOP_TIMEOUT_S: Final = 10.0
"""How long an engine may take to end after SIGTERM; then it is killed."""

_RATE = re.compile(r"\btokens_per_s=(\S+) gb_per_s=(\S+)")


class Replica:
    """A running replica: its process, the last look at it and the last rate it printed.

    One thread reads the engine's output, as an engine blocks when nobody does.  The engine inherits
    an open file that holds the claim of its CPUs, so that it holds them itself.
    """

    def __init__(
        self,
        binder_path: Path,
        placement: Placement,
        on_line: Callable[[str], None],
        *,
        cgroup: Cgroup | None,
        inherited: int,
    ) -> None:
        command = binder.exec_command(
            binder_path, placement.assignment.cpus, placement.assignment.mems, placement.command
        )
        launched = command if cgroup is None else cgroup.command(command)
        self.observation: Observation | None = None
        self.rate = ""
        self._stopped = False
        self._next_look_s = 0.0
        self._launchers = (command, launched)
        self._process = subprocess.Popen(  # the worker's own command
            launched,
            env=binder.environment(binder_path, placement.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[inherited],
            text=True,
        )
        assert self._process.stdout is not None  # PIPE was asked for
        self._reader = Thread(target=self._read, args=(self._process.stdout, on_line), daemon=True)
        self._reader.start()

    def running(self) -> bool:
        """Tell whether the process still runs; look at it, unless the last look was just now."""
        if self._process.poll() is not None:
            return False
        start_s = time.monotonic()
        if start_s >= self._next_look_s:
            self._look()
            end_s = time.monotonic()
            interval_s = min((end_s - start_s) / LOOK_SHARE, LONGEST_INTERVAL_S)
            self._next_look_s = end_s + interval_s
        return True

    def stop(self) -> None:
        """Ask the engine to end, then make it; nothing where it has ended."""
        if self._process.poll() is not None:
            return
        self._look()
        self._stopped = True
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def outcome(self, report: CheckReport) -> Outcome:
        """Gather all that is known, once the engine has ended; ended by us counts as well."""
        status = self._process.wait()
        self._reader.join()
        return Outcome(
            report=report,
            observation=self.observation,
            rate=self.rate,
            exit_status=0 if self._stopped else status,
        )

    def _look(self) -> None:
        """Look at the engine, once it is the engine and not what binds it.

        The fullest look counts: a process on its way out has lost threads and memory already.
        """
        if _command_of(self._process.pid) in self._launchers:
            return
        look = observe(self._process.pid)
        if look is not None and _fullness(look) >= _fullness(self.observation):
            self.observation = look

    def _read(self, stream: IO[str], on_line: Callable[[str], None]) -> None:
        for line in stream:
            if match := _RATE.search(line):
                self.rate = f"{match[1]} tokens/s, {match[2]} GB/s"
            on_line(line.rstrip("\n"))


def _command_of(pid: int) -> tuple[str, ...]:
    """Read a process's command line; nothing where it has ended."""
    try:
        text = os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return ()
    return tuple(text.split("\0")[:-1])


def _fullness(look: Observation | None) -> tuple[int, int]:
    if look is None:
        return (0, 0)
    return (len(look.thread_cpus), sum(look.bytes_on_node.values()))
