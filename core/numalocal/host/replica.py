"""One running replica: started through the binder, looked at, ended."""

import re
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import IO, Final

from numalocal import names
from numalocal.errors import LaunchFailed
from numalocal.host import binder, lines, processes
from numalocal.host.cgroups import Cgroup
from numalocal.host.observation import observe
from numalocal.host.placement import Placement
from numalocal.host.verdict import Evidence, Outcome
from numalocal.report import CheckReport

LOOK_SHARE: Final = 0.01
"""The part of a CPU that looking may take: of a process with 1,000 threads and 1 GiB in small pages
a look takes 30 ms, and stops it from mapping memory meanwhile (/proc/PID/numa_maps)."""
LONGEST_INTERVAL_S: Final = 5.0
STOP_TIMEOUT_S: Final = 10.0
"""How long an engine may take to end after SIGTERM; then it is killed."""
KILL_TIMEOUT_S: Final = 5.0
"""How long the kernel may take to end what was killed; what hangs in a driver takes for ever."""
DRAIN_TIMEOUT_S: Final = 1.0
"""How long the last words of an engine are waited for, once its processes have ended."""

_RATE = re.compile(r"\btokens_per_s=([\d.]{1,20}) gb_per_s=([\d.]{1,20})")


class Replica:
    """A running replica: its processes, what the looks at them have shown, its last rate.

    One thread reads the engine's output, as an engine blocks when nobody does.  The engine inherits
    an open file that holds the claim of its CPUs, so that it holds them itself.  It has a session
    of its own: Ctrl-C is for us, and we end it.
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
        """Start it.

        Raises:
            LaunchFailed: where its first program cannot be started.
        """
        command = binder.exec_command(
            binder_path,
            placement.assignment.cpus,
            placement.reach.named,
            placement.command,
            placement.reach.policy,
        )
        launched = command if cgroup is None else cgroup.command(command)
        self.evidence = Evidence()
        self.rate = ""
        self.rank_cpus = placement.environment[names.ENV_RANK_CPUS]
        self._cpus = placement.assignment.cpus
        self._mems = placement.reach.mems
        self._launchers = (command, launched)
        self._bound = False
        self._stopped = False
        self._next_look_s = 0.0
        self._kill_at_s: float | None = None
        self._ending_left = False
        self._left: tuple[int, ...] = ()
        try:
            self._process = subprocess.Popen(  # the worker's own command
                launched,
                env=binder.environment(binder_path, placement.environment),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[inherited],
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise LaunchFailed(f"{launched[0]}: cannot be started: {error}") from error
        assert self._process.stdout is not None  # PIPE was asked for
        self._reader = Thread(target=self._read, args=(self._process.stdout, on_line), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The engine's own process."""
        return self._process.pid

    def running(self) -> bool:
        """Tell whether the engine's own process runs."""
        return self._process.poll() is None

    def step(self, orphans: Sequence[int]) -> bool:
        """Look if it is time, end what is to be ended; False once nothing of it runs.

        `orphans` are processes of this engine whose parents have ended.
        """
        roots = [*([self.pid] if self.running() else []), *orphans]
        now_s = time.monotonic()
        if not roots:
            self._left = ()
            return False
        if now_s >= self._next_look_s:
            began_s = time.thread_time()
            self._look(roots)
            # By the CPU's time: a look that has to wait for a busy CPU costs no more than others.
            taken_s = time.thread_time() - began_s
            interval_s = min(taken_s / LOOK_SHARE, LONGEST_INTERVAL_S) if self._bound else 0.0
            self._next_look_s = time.monotonic() + interval_s
        if not self.running() and not self._ending_left:
            # What an engine leaves behind ends with it, as in a container.
            self._ending_left = True
            self._end(list(processes.tree(roots)))
        if self._kill_at_s is None or now_s < self._kill_at_s:
            return True
        self._left = tuple(processes.tree(roots))
        processes.kill(self._left)
        return now_s < self._kill_at_s + KILL_TIMEOUT_S

    def stop(self) -> None:
        """Ask the engine to end; what is left of it is killed in a while."""
        if self.running():
            self._look([self.pid])
            self._stopped = True
            self._end([self.pid])

    def kill(self) -> None:
        """Have whatever is left of it killed at the next step."""
        self._stopped = self._stopped or self.running()
        self._kill_at_s = min(self._kill_at_s or time.monotonic(), time.monotonic())

    def outcome(self, report: CheckReport) -> Outcome:
        """Gather all that is known, once the engine has ended."""
        self._reader.join(DRAIN_TIMEOUT_S)
        return Outcome(
            report=report,
            evidence=self.evidence,
            rate=self.rate,
            exit_status=self._process.poll() or 0,
            stopped=self._stopped,
            left=self._left,
        )

    def _end(self, pids: Sequence[int]) -> None:
        processes.terminate(pids)
        if self._kill_at_s is None:
            self._kill_at_s = time.monotonic() + STOP_TIMEOUT_S

    def _look(self, roots: Sequence[int]) -> None:
        """Look at the engine, once it is the engine and not what binds it."""
        if not self._bound:
            # In the middle of exec(2) there is no command line.
            command = processes.command(self.pid)
            self._bound = bool(command) and command not in self._launchers
        if self.running() and not self._bound:
            return
        look = observe(processes.tree(roots), self._cpus)
        if look is not None:
            self.evidence = self.evidence.after(look, self._mems)

    def _read(self, stream: IO[bytes], on_line: Callable[[str], None]) -> None:
        for line in lines.read(stream):
            if match := _RATE.search(line):
                self.rate = f"{match[1]} tokens/s, {match[2]} GB/s"
            on_line(line)
