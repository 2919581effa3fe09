"""A cgroup of its own for each replica: CPUs and memory nodes that none of its processes leaves.

Version 2 and root only (Documentation/admin-guide/cgroup-v2.rst, "Cpuset").
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from numalocal.errors import LaunchFailed
from numalocal.idset import IdSet

ROOT: Final = Path("/sys/fs/cgroup")
_FOLDER: Final = "numalocal"
_REMOVE_TIMEOUT_S: Final = 5.0


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
        """Make it, below <root>/numalocal.

        Raises:
            LaunchFailed: naming the file that the kernel refused, and why.
        """
        self.path = root / _FOLDER / name
        _write(root / "cgroup.subtree_control", "+cpuset")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LaunchFailed(f"{self.path}: cannot be made: {error.strerror}") from error
        _write(self.path.parent / "cgroup.subtree_control", "+cpuset")
        _write(self.path / "cpuset.cpus", str(cpus))
        _write(self.path / "cpuset.mems", str(mems))

    def command(self, command: Sequence[str]) -> tuple[str, ...]:
        """Give the command that enters the cgroup and then runs another in its place."""
        enter = 'echo $$ >"$0" && exec "$@"'
        return ("/bin/sh", "-c", enter, str(self.path / "cgroup.procs"), *command)

    def remove(self) -> None:
        """End what is left in it, and remove it."""
        deadline_s = time.monotonic() + _REMOVE_TIMEOUT_S
        while self.path.exists():
            try:
                _write(self.path / "cgroup.kill", "1")
                self.path.rmdir()
            except (OSError, LaunchFailed):
                if time.monotonic() > deadline_s:
                    return  # what is left is empty, or in a state in which nothing can be killed
                time.sleep(0.02)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="ascii")
    except OSError as error:
        raise LaunchFailed(f"{path}: {text!r} was refused: {error.strerror}") from error
