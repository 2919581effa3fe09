"""Write a simulated machine."""

import os
from functools import cache
from itertools import chain
from pathlib import Path

from scratch import scratch
from simulated.cpus import cpu_files, cpu_links
from simulated.nodes import node_files, node_links
from simulated.processes import process_files
from simulated.spec import Simulated


@cache
def written(machine: Simulated) -> Path:
    """Give the root of a machine, to read only: a big one takes seconds to write.

    It is written once a process and removed at its end.
    """
    root = scratch()
    write(root, machine)
    return root


def write(root: Path, machine: Simulated) -> None:
    """Write its /sys and /proc below a directory, which is made and must not hold another's."""
    made: set[str] = set()
    for name, text in chain(cpu_files(machine), node_files(machine), process_files(machine)):
        _directory(root, name, made)
        _file(f"{root}/{name}", f"{text}\n")
    for name, target in chain(cpu_links(machine), node_links(machine)):
        _directory(root, name, made)
        os.symlink(target, f"{root}/{name}")  # noqa: PTH211 - see _file


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
