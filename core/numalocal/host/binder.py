"""Where numalocal-bind is, and its command lines."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from numalocal.engines import PINNING
from numalocal.errors import LaunchFailed
from numalocal.idset import IdSet
from numalocal.sets.memoryask import BINDER_WORDS, MemoryPolicy

NAME: Final = "numalocal-bind"
_BUILT = Path(__file__).resolve().parents[3] / "build"
"""Where `make` leaves the binder beside a source checkout."""


def find(environ: Mapping[str, str]) -> Path:
    """Find the binder: $NUMALOCAL_BIND, then PATH, then the source checkout's build folder.

    Raises:
        LaunchFailed: where there is none.
    """
    if named := environ.get("NUMALOCAL_BIND"):
        if os.access(named, os.X_OK):
            return Path(named)
        raise LaunchFailed(f"NUMALOCAL_BIND: {named!r} is not an executable file")
    search = os.pathsep.join([environ.get("PATH", os.defpath), str(_BUILT)])
    if found := shutil.which(NAME, path=search):
        return Path(found)
    raise LaunchFailed(f"{NAME} is neither on PATH nor in {_BUILT}: run `make build` first")


def exec_command(
    binder: Path,
    cpus: IdSet,
    mems: IdSet | None,
    command: Sequence[str],
    policy: MemoryPolicy = MemoryPolicy.BIND,
) -> tuple[str, ...]:
    """Bind to CPUs and, unless None, memory to nodes; then run the command in its place."""
    memory = () if mems is None else ("--mems", str(mems), "--policy", BINDER_WORDS[policy])
    return (str(binder), "exec", "--cpus", str(cpus), *memory, "--", *command)


def check_command(binder: Path, report: Path) -> tuple[str, ...]:
    """Compare the process's own binding and its node's memory with the plan in the environment."""
    return (str(binder), "check", "--report", str(report))


def environment(binder: Path, placed: Mapping[str, str]) -> dict[str, str]:
    """Put the binder's folder last on PATH: the example engine is built beside it.

    What pins threads is left out of our own environment: it was meant for another program.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(binder.parent)])
    inherited = {name: value for name, value in os.environ.items() if name not in PINNING}
    return {**inherited, "PATH": path, **placed}
