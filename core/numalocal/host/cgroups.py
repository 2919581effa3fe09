"""A cgroup of its own for each replica: CPUs and memory nodes that none of its processes leaves.

Version 2 and root only (Documentation/admin-guide/cgroup-v2.rst, "Cpuset").
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from numalocal.errors import LaunchFailed
from numalocal.idset import IdSet

ROOT: Final = Path("/sys/fs/cgroup")
_FOLDER: Final = "numalocal"
_REMOVE_TIMEOUT_S: Final = 5.0
_MAKE_TRIES: Final = 3


def obstacle(uid: int, root: Path = ROOT) -> str:
    """Say why no cgroup can be made here; empty where one can."""
    if uid != 0:
        return "only root can make one"
    try:
        controllers = (root / "cgroup.controllers").read_text(encoding="ascii").split()
    except OSError:
        return f"{root} is not cgroup version 2"
    return "" if "cpuset" in controllers else "the controller cpuset is not available"


class Cgroup:
    """A cgroup with these CPUs and nodes; make it, start the engine in it, remove it."""

    def __init__(self, name: str, cpus: IdSet, mems: IdSet, root: Path = ROOT) -> None:
        """Make it, below <root>/numalocal; nothing is left where that is refused.

        Raises:
            LaunchFailed: naming the file that the kernel refused, and why.
        """
        self.path = root / _FOLDER / name
        _write(root / "cgroup.subtree_control", "+cpuset")
        _make(self.path)
        try:
            self._confine(cpus, mems)
        except LaunchFailed:
            self.remove()
            raise

    def command(self, command: Sequence[str]) -> tuple[str, ...]:
        """Give the command that enters the cgroup and then runs another in its place."""
        enter = 'echo $$ >"$0" && exec "$@"'
        return ("/bin/sh", "-c", enter, str(self.path / "cgroup.procs"), *command)

    def remove(self) -> None:
        """End what is left in it, and remove it; the folder of all runs too, after the last."""
        deadline_s = time.monotonic() + _REMOVE_TIMEOUT_S
        while self.path.exists() and time.monotonic() < deadline_s:
            _kill(self.path)
            if not _removed(self.path):
                time.sleep(0.02)  # what was killed takes a while to leave
        with suppress(OSError):
            self.path.parent.rmdir()

    def _confine(self, cpus: IdSet, mems: IdSet) -> None:
        # Below a threaded cgroup the kernel makes one that no process can enter.
        if (kind := _read(self.path / "cgroup.type")) not in ("", "domain"):
            raise LaunchFailed(f"{self.path / 'cgroup.type'}: {kind!r} is none for processes")
        _write(self.path / "cpuset.cpus", str(cpus))
        _write(self.path / "cpuset.mems", str(mems))


def remove_stale(root: Path = ROOT) -> None:
    """Remove what runs that were killed have left: no process is in it, and none is to come.

    A cgroup's name ends with the number of the process that made it.
    """
    for group in (root / _FOLDER).glob("*-*"):
        maker = group.name.rpartition("-")[2]
        if maker.isdigit() and not Path(f"/proc/{maker}").exists():
            _removed(group)


def _make(group: Path) -> None:
    for tries_left in range(_MAKE_TRIES - 1, -1, -1):
        try:
            group.parent.mkdir(exist_ok=True)
            _write(group.parent / "cgroup.subtree_control", "+cpuset")
            group.mkdir()
        except FileNotFoundError as error:  # the last of the other runs has just removed it
            if tries_left == 0:
                raise LaunchFailed(f"{group}: cannot be made: {error.strerror}") from error
        except OSError as error:
            raise LaunchFailed(f"{group}: cannot be made: {error.strerror}") from error
        else:
            return


def _removed(group: Path) -> bool:
    """Remove a cgroup with those that the engine made in it, unless a process is in one."""
    with suppress(OSError):
        for folder, _, _ in os.walk(group, topdown=False):
            Path(folder).rmdir()
    return not group.exists()


def _kill(group: Path) -> None:
    with suppress(LaunchFailed):  # Linux has it since 5.14
        _write(group / "cgroup.kill", "1")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="ascii")
    except OSError as error:
        raise LaunchFailed(f"{path}: {text!r} was refused: {error.strerror}") from error
