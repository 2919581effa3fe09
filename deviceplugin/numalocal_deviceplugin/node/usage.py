"""What a container has used, by its cgroup's files (version 2).

Each file may be missing: a kernel without NUMA has no memory.numa_stat, one without PSI no
pressure, and a container may end between two reads.  What was not read is None or left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from numalocal.idset import MAX_ID
from numalocal_deviceplugin.correcting import Cpuset
from numalocal_deviceplugin.node.cgroups import Tree, text

_DIGITS: Final = 20
"""Of the largest number of 64 bits."""
_PER_S: Final = 1e6
_USERS_OWN: Final = ("anon ", "file ")
PRESSED: Final = ("cpu", "memory", "io")
_KINDS: Final = frozenset({"some", "full"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """What cpu.stat says; `throttled_s` and `periods` are 0 where the group has no quota."""

    used_s: float
    periods: int
    throttled_periods: int
    throttled_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one cgroup's files say now.

    `cpuset` is what its processes may use.  `memory_bytes` is anonymous and file memory by NUMA
    node: what may have been placed by a policy, and not what the kernel keeps for the container.
    `stalled_s` are the totals of pressure by resource (cpu, memory, io) and kind (some, full).
    """

    cpuset: Cpuset | None = None
    memory_bytes: Mapping[int, int] = field(default_factory=dict)
    cpu: Cpu | None = None
    stalled_s: Mapping[tuple[str, str], float] = field(default_factory=dict)


def read(tree: Tree, parts: tuple[str, ...]) -> Usage | None:
    """Read a container's cgroup, that many folders below the tree's root; None for none there."""
    if (group := tree.folder(parts)) is None:
        return None
    return Usage(
        memory_bytes=_memory_bytes(text(group, "memory.numa_stat") or ""),
        cpu=_cpu(text(group, "cpu.stat") or ""),
        stalled_s={
            (resource, kind): total_s
            for resource in PRESSED
            for kind, total_s in _stalled_s(text(group, f"{resource}.pressure") or "")
        },
        cpuset=tree.cpuset(parts),
    )


def _memory_bytes(said: str) -> Mapping[int, int]:
    """Add up the lines such as `anon N0=4096 N1=0`."""
    found: dict[int, int] = {}
    for line in said.splitlines():
        if line.startswith(_USERS_OWN):
            for word in line.split(" ")[1:]:
                node, _, size = word.removeprefix("N").partition("=")
                if _is_number(node) and int(node) <= MAX_ID and _is_number(size):
                    found[int(node)] = found.get(int(node), 0) + int(size)
    return found


def _cpu(said: str) -> Cpu | None:
    values = {}
    for line in said.splitlines():
        name, _, value = line.partition(" ")
        if _is_number(value):
            values[name] = int(value)
    if "usage_usec" not in values:
        return None
    return Cpu(
        used_s=values["usage_usec"] / _PER_S,
        periods=values.get("nr_periods", 0),
        throttled_periods=values.get("nr_throttled", 0),
        throttled_s=values.get("throttled_usec", 0) / _PER_S,
    )


def _stalled_s(said: str) -> Iterator[tuple[str, float]]:
    """Read the lines such as `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`."""
    for line in said.splitlines():
        kind, _, rest = line.partition(" ")
        total = rest.rpartition("total=")[2]
        if kind in _KINDS and _is_number(total):
            yield kind, int(total) / _PER_S


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS
