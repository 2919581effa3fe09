"""Write a simulated machine."""

import atexit
import os
import shutil
from functools import cache
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from simulated.cpus import cpu_files, cpu_links
from simulated.nodes import node_files, node_links
from simulated.processes import process_files
from simulated.spec import Simulated

_ROOM_BYTES = 4 << 30


@cache
def written(machine: Simulated) -> Path:
    """Give the root of a machine, to read only: a big one takes seconds to write.

    It is written once a process and removed at its end.
    """
    directory = TemporaryDirectory(prefix="numalocal-", dir=_memory())
    atexit.register(directory.cleanup)
    write(Path(directory.name), machine)
    return Path(directory.name)


def write(root: Path, machine: Simulated) -> None:
    """Write its /sys and /proc below a directory, which is made and must not hold another's."""
    made: set[str] = set()
    for name, text in chain(cpu_files(machine), node_files(machine), process_files(machine)):
        _directory(root, name, made)
        _file(f"{root}/{name}", f"{text}\n")
    for name, target in chain(cpu_links(machine), node_links(machine)):
        _directory(root, name, made)
        os.symlink(target, f"{root}/{name}")  # noqa: PTH211 - see _file


def _memory() -> str | None:
    """Find a file system in memory with room for all machines: there, files are made at once."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > _ROOM_BYTES
    return str(memory) if roomy and os.access(memory, os.W_OK) else None


def _file(path: str, text: str) -> None:
    """Write without a Path or a buffer: a big machine has a hundred thousand files."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(file, text.encode("ascii"))
    os.close(file)


def _directory(root: Path, name: str, made: set[str]) -> None:
    parent = name.rpartition("/")[0]
    if parent not in made:
        (root / parent).mkdir(parents=True, exist_ok=True)
        made.add(parent)
