"""The processes that come from ours: a tree that none of them leaves while we run."""

import ctypes
import io
import os
import signal
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from numalocal import names
from numalocal.errors import LaunchFailed

_SET_CHILD_SUBREAPER: Final = 36
"""PR_SET_CHILD_SUBREAPER of linux/prctl.h."""
_HAS_CHILDREN_FILE: Final = Path("/proc/thread-self/children").exists()
"""False where the kernel was built without CONFIG_PROC_CHILDREN."""
_EXEC_TRIES: Final = 4
_EXEC_S: Final = 0.001
"""In the middle of exec(2) a process has no environment; that takes no longer."""


def adopt_orphans() -> None:
    """Become the parent of every descendant whose parent ends, as a daemon's does (prctl(2)).

    Raises:
        LaunchFailed: where the kernel refuses.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        why = os.strerror(ctypes.get_errno())
        raise LaunchFailed(f"prctl: processes that leave their parents cannot be adopted: {why}")


def children(pid: int, *, from_kernel: bool = _HAS_CHILDREN_FILE) -> list[int]:
    """List the children of a process; none where it is gone.

    The kernel's own list is read: psutil reads every process of the machine for it, 50 us each,
    and fails where /proc hides some.
    """
    if not from_kernel:
        with suppress(psutil.Error):
            return [child.pid for child in psutil.Process(pid).children()]
        return []
    found: list[bytes] = []
    with suppress(OSError):
        # By the quickest means: a large engine has a thousand threads.
        for task in os.scandir(f"/proc/{pid}/task"):
            with (
                suppress(FileNotFoundError, ProcessLookupError),
                io.FileIO(f"{task.path}/children") as file,
            ):
                found += file.readall().split()
    return [int(child) for child in found]


def tree(roots: Iterable[int]) -> Iterator[int]:
    """Yield processes and all their descendants, parents first and none twice."""
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in seen:
            seen.add(pid)
            yield pid
            waiting += children(pid)


def orphans(started: Collection[int]) -> list[int]:
    """List those that were adopted: our children but those that we started; bury the dead."""
    return [pid for pid in children(os.getpid()) if pid not in started and not _buried(pid)]


def rank_cpus(pid: int) -> str | None:
    """Tell by its environment for which CPUs a process was started; None where that is not told."""
    prefix = f"{names.ENV_RANK_CPUS}="
    for _ in range(_EXEC_TRIES):
        try:
            environment = _strings(pid, "environ")
        except OSError:
            return None
        if environment:
            told = (one.removeprefix(prefix) for one in environment if one.startswith(prefix))
            return next(told, None)
        time.sleep(_EXEC_S)
    return None


def command(pid: int) -> tuple[str, ...]:
    """Give a process's command line; nothing where it has ended or may not be read."""
    try:
        return _strings(pid, "cmdline")
    except OSError:
        return ()


def _strings(pid: int, name: str) -> tuple[str, ...]:
    """Read what a process was started with; of another thread where its first has ended.

    Raises:
        OSError: where it has ended or may not be read.
    """
    for folder in _threads(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            if text := (folder / name).read_bytes():
                return tuple(map(os.fsdecode, text.removesuffix(b"\0").split(b"\0")))
    return ()


def _threads(pid: int) -> Iterator[Path]:
    process = Path(f"/proc/{pid}")
    yield process
    yield from (process / "task").iterdir()


def terminate(pids: Iterable[int]) -> None:
    """Ask processes to end, also those that are stopped."""
    for pid in pids:
        for number in (signal.SIGTERM, signal.SIGCONT):
            _send(pid, number)


def kill(pids: Iterable[int]) -> None:
    """End processes whether they want it or not."""
    for pid in pids:
        _send(pid, signal.SIGKILL)


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _buried(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
