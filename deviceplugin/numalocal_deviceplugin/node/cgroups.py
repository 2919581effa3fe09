"""Where a container's cgroup is, and what the kernel says of its cpuset.

Version 2 only (Documentation/admin-guide/cgroup-v2.rst, "Cpuset").  Paths are what the container
runtime tells, in OCI's `cgroupsPath`: `slice:prefix:name` of the driver systemd, a path of the
driver cgroupfs.  Whatever they say and whatever the tree holds, nothing outside of it is opened.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Final

from numalocal.errors import ListInvalid
from numalocal.idset import IdSet
from numalocal_deviceplugin.correcting import Cpuset
from numalocal_deviceplugin.refusals import Reason, Refusal

CPUS: Final = "cpuset.cpus.effective"
MEMS: Final = "cpuset.mems.effective"

_MOST_BYTES: Final = 1 << 16
"""More than a list of every second of 8192 CPUs takes."""
_MOST_PATH: Final = 1024
_FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_NOFOLLOW
_SYSTEMD_PARTS: Final = 3
_DEFAULT_SLICE: Final = "system.slice"
"""Where runtimes put what names no slice."""

_parsed = lru_cache(maxsize=256)(IdSet.parse)


def why_unusable(root: Path) -> Refusal | None:
    """Say why no container can be bound for good with this cgroup tree; None where it can.

    A tree that is not there tells nothing: then only drift goes unseen.
    """
    if not root.is_dir():
        return None
    try:
        controllers = (root / "cgroup.controllers").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return _refusal(f"{root} is not cgroup version 2")
    if "cpuset" not in controllers:
        return _refusal(f"{root / 'cgroup.controllers'} does not name cpuset")
    return None


def parts_of(told: str) -> tuple[str, ...] | None:
    """Give the folders from the tree's root down to a container's cgroup; None for no such path.

    The systemd form's slice is in the slices that its name spells: a-b.slice is in a.slice.
    """
    return None if len(told) > _MOST_PATH else _parts(told)


class Tree:
    """A cgroup tree from its root; folders stay open while what is read next is below them, too.

    The kernel's tree has no links, so none is followed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: list[int] = []
        self._parts: tuple[str, ...] = ()

    def close(self) -> None:
        """Close the folders that are open."""
        self._close_below(-1)

    def folder(self, parts: tuple[str, ...]) -> int | None:
        """Open a folder, until another one is asked for; None where it is not there."""
        depth = _in_common(self._parts, parts)
        self._close_below(depth)
        try:
            if not self._folders:
                self._folders.append(os.open(self._root, _FOLDER))
            for part in parts[depth:]:
                above = self._folders[-1]
                self._folders.append(os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=above))
        except (OSError, ValueError):  # or the root's name has a character that no path has
            return None
        finally:
            self._parts = parts[: max(0, len(self._folders) - 1)]
        return self._folders[-1]

    def cpuset(self, parts: tuple[str, ...], *, mems: bool = True) -> Cpuset | None:
        """Read what a cgroup's processes may use; None where it has gone or says what is no list.

        A cgroup without a cpuset of its own uses what the nearest above it uses.
        """
        if (folder := self.folder(parts)) is None:
            return None
        if (cpus := text(folder, CPUS)) is not None:
            return _cpuset(cpus, text(folder, MEMS) if mems else "")
        return self.cpuset(parts[:-1], mems=mems) if parts else None

    def _close_below(self, depth: int) -> None:
        while len(self._folders) > depth + 1:
            os.close(self._folders.pop())


def _in_common(some: tuple[str, ...], others: tuple[str, ...]) -> int:
    """Count the first parts that are the same."""
    pairs = zip(some, others, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def narrowest_above(root: Path, parts: tuple[str, ...], wanted: Cpuset) -> tuple[Path, str] | None:
    """Find the topmost cgroup above that does not have all of this: its file, and what it has.

    Memory nodes of which a cgroup tells nothing are all that are above it.
    """
    with closing(Tree(root)) as tree:
        for depth in range(1, len(parts)):
            folder = root.joinpath(*parts[:depth])
            found = tree.cpuset(parts[:depth], mems=bool(wanted.mems))
            if found is not None and not wanted.cpus <= found.cpus:
                return folder / CPUS, f"CPU {found.cpus or 'none'}"
            if found is not None and found.mems and not wanted.mems <= found.mems:
                return folder / MEMS, f"memory of NUMA node {found.mems}"
    return None


@lru_cache(maxsize=1024)
def _parts(told: str) -> tuple[str, ...] | None:
    if not told or "\0" in told:
        return None
    is_path = told.startswith("/") or ":" not in told
    parts = tuple(one for one in told.split("/") if one) if is_path else _systemd_parts(told)
    return parts if parts and not {".", ".."}.intersection(parts) else None


def _cpuset(cpus: str, nodes: str | None) -> Cpuset | None:
    try:
        return Cpuset(_parsed(cpus), _parsed(nodes or ""))
    except ListInvalid:
        return None


def _systemd_parts(told: str) -> tuple[str, ...] | None:
    pieces = told.split(":")
    if len(pieces) != _SYSTEMD_PARTS or "/" in told or not pieces[2]:
        return None
    slices = _slices(pieces[0] or _DEFAULT_SLICE)
    if slices is None:
        return None
    _, prefix, name = pieces
    if not name.endswith(".slice"):
        name = f"{prefix}-{name}.scope" if prefix else f"{name}.scope"
    return (*slices, name)


def _slices(name: str) -> tuple[str, ...] | None:
    """Spell out a slice as systemd nests it; `-.slice` is the root itself."""
    if name == "-.slice":
        return ()
    steps = name.removesuffix(".slice").split("-")
    if not name.endswith(".slice") or not all(steps):
        return None
    return tuple(_joined(steps))


def _joined(steps: list[str]) -> Iterator[str]:
    for last in range(1, len(steps) + 1):
        yield f"{'-'.join(steps[:last])}.slice"


def text(folder: int, name: str) -> str | None:
    """Read a small file of an open cgroup; None where it is not there or cannot be read now.

    Of a longer one only the beginning.
    """
    try:
        file = os.open(name, _FILE, dir_fd=folder)
    except OSError:
        return None
    try:
        return os.read(file, _MOST_BYTES).decode("ascii", "replace")
    except OSError:  # EOPNOTSUPP: pressure is off
        return None
    finally:
        os.close(file)


def _refusal(what: str) -> Refusal:
    return Refusal(
        reason=Reason.CGROUP_V1,
        message=f"{what}, and binding needs version 2 with its controller cpuset: no CPU set is "
        "given out and no container is adjusted; start the node with "
        "systemd.unified_cgroup_hierarchy=1",
    )
