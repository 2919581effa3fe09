"""Run replicas on this machine: check, start through the binder, watch, end."""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO, Final

from numalocal import binder, names
from numalocal.cgroups import Cgroup
from numalocal.engines import PINNING
from numalocal.errors import LaunchFailed, ReportInvalid
from numalocal.idset import IdSet
from numalocal.observation import Observation, observe
from numalocal.placement import Placement
from numalocal.report import CheckReport
from numalocal.verdict import Outcome

LOOK_INTERVAL_S: Final = 0.1
LOOK_SHARE: Final = 0.01
"""The part of a CPU that looking may take: of a large process a look takes 20 ms, and stops it from
mapping memory meanwhile (/proc/PID/numa_maps)."""
STOP_TIMEOUT_S: Final = 10.0
"""How long an engine may take to end after SIGTERM; then it is killed."""

_RATE = re.compile(r"\btokens_per_s=(\S+) gb_per_s=(\S+)")


def check(
    binder_path: Path, placement: Placement, allowed_mems: IdSet, cgroup: Cgroup | None
) -> CheckReport:
    """Bind a process to a replica's CPUs and let the binder compare plan, binding and memory.

    A process alone cannot narrow its cpuset, so without a cgroup the plan for Mems_allowed is what
    it is now; memory is compared with the ranks' own nodes all the same.

    Raises:
        LaunchFailed: where the binder gives no report.
    """
    with tempfile.TemporaryDirectory(prefix="numalocal-") as directory:
        report = Path(directory) / "report.json"
        command = binder.exec_command(
            binder_path,
            placement.assignment.cpus,
            None,
            binder.check_command(binder_path, report),
        )
        plan = dict(placement.environment)
        if cgroup is None:
            plan[names.ENV_MEMS] = str(allowed_mems)
        done = subprocess.run(  # our own binder
            command if cgroup is None else cgroup.command(command),
            env=_environment(binder_path, plan),
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            return CheckReport.parse(report.read_text(encoding="utf-8"))
        except (OSError, ReportInvalid) as error:
            said = done.stderr.strip() or f"status {done.returncode}"
            raise LaunchFailed(f"{binder.NAME} check gave no report: {said}") from error


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
        self.observation: Observation | None = None
        self.rate = ""
        self._stopped = False
        self._next_look_s = 0.0
        self._process = subprocess.Popen(  # the worker's own command
            command if cgroup is None else cgroup.command(command),
            env=_environment(binder_path, placement.environment),
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
        if start_s < self._next_look_s:
            return True
        look = observe(self._process.pid)
        end_s = time.monotonic()
        self._next_look_s = end_s + (end_s - start_s) / LOOK_SHARE
        # The fullest look counts: a process on its way out has lost threads and memory already.
        if look is not None and _fullness(look) >= _fullness(self.observation):
            self.observation = look
        return True

    def stop(self) -> None:
        """Ask the engine to end, then make it; nothing where it has ended."""
        if self._process.poll() is not None:
            return
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

    def _read(self, stream: IO[str], on_line: Callable[[str], None]) -> None:
        for line in stream:
            if match := _RATE.search(line):
                self.rate = f"{match[1]} tokens/s, {match[2]} GB/s"
            on_line(line.rstrip("\n"))


def watch(replicas: Sequence[Replica], on_look: Callable[[], None]) -> None:
    """Look at all until all have ended, and tell after each look; whatever happens, leave none."""
    try:
        while sum(replica.running() for replica in replicas) > 0:
            on_look()
            time.sleep(LOOK_INTERVAL_S)
    finally:
        for replica in replicas:
            replica.stop()


def _fullness(look: Observation | None) -> tuple[int, int]:
    if look is None:
        return (0, 0)
    return (len(look.thread_cpus), sum(look.bytes_on_node.values()))


def _environment(binder_path: Path, placed: Mapping[str, str]) -> dict[str, str]:
    """Put the binder's folder last on PATH: the example engine is built beside it.

    What pins threads is left out of our own environment: it was meant for another program.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(binder_path.parent)])
    inherited = {name: value for name, value in os.environ.items() if name not in PINNING}
    return {**inherited, "PATH": path, **placed}
