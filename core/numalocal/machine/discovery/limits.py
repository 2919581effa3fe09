"""How much CPU time and memory the cgroups above the reading process leave it.

| version | CPU time | memory |
| --- | --- | --- |
| 2 | cpu.max | memory.max, memory.high |
| 1 | cpu.cfs_quota_us, cpu.cfs_period_us | memory.limit_in_bytes |

`numalocal-bind check` reads memory by the same rules (docs/binder.md, "Memory limits"), so that a
plan and the check of its engine say the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from numalocal.errors import MachineUnreadable
from numalocal.machine.discovery.findings import Findings
from numalocal.machine.discovery.groups import Level, levels
from numalocal.machine.model import CpuQuota, Limits, MemoryLimit
from numalocal.machine.sysfs import Sysfs

_MEMORY_FILES: Final = {1: ("memory.limit_in_bytes",), 2: ("memory.max", "memory.high")}
_USAGE_FILES: Final = {1: "memory.usage_in_bytes", 2: "memory.current"}
_RECLAIMABLE: Final = {
    1: ("total_inactive_file", "total_active_file"),
    2: ("inactive_file", "active_file", "slab_reclaimable"),
}
"""Fields of memory.stat: what the kernel gives back when it is asked."""
_UNLIMITED: Final = 1 << 62
"""Version 1 has no word for it, and writes the largest whole number of pages below 2^63."""

_LONG: Final = 21
"""Digits that no number of 64 bits has."""
_MOST: Final = (1 << 64) - 1


def read_limits(sysfs: Sysfs, findings: Findings) -> Limits:
    """Read the tightest quota and the tightest limit of the process's cgroup and those above."""
    cpu, memory = (levels(sysfs, one, findings) for one in ("cpu", "memory"))
    unread = Findings()
    limits = Limits(
        cpu=_tightest_quota(sysfs, cpu, findings),
        memory=_tightest_limit(sysfs, memory, own=memory[:1], findings=unread),
        container_bytes=_container_bytes(sysfs, memory),
        unread=unread.all(),
    )
    for one in unread.all():
        findings.add(*one)
    return limits


def limits_of_mount(sysfs: Sysfs) -> Limits:
    """Read the limits that hold for every cgroup that can be made here, whoever makes it.

    They are those of the cgroup that is mounted: the container's own, or none on a host.
    """
    cpu, memory = (levels(sysfs, one, Findings())[-1:] for one in ("cpu", "memory"))
    unread = Findings()
    return Limits(
        cpu=_tightest_quota(sysfs, cpu, Findings()),
        memory=_tightest_limit(sysfs, memory, own=(), findings=unread),
        container_bytes=_container_bytes(sysfs, memory),
        unread=unread.all(),
    )


def _tightest_quota(sysfs: Sysfs, above: Iterable[Level], findings: Findings) -> CpuQuota | None:
    quotas = [findings.read(partial(_quota, sysfs, level)) for level in above]
    return min(filter(None, quotas), key=lambda one: one.quota_us / one.period_us, default=None)


def _quota(sysfs: Sysfs, level: Level) -> CpuQuota | None:
    """Read a cgroup's quota; None where it has none, or where the file is not there.

    Raises:
        MachineUnreadable: where it is malformed.
    """
    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if level.version == 1 else ("cpu.max",)
    path = f"{level.folder}/{names[0]}"
    texts = [sysfs.read(f"{level.folder}/{name}") for name in names]
    if texts[0] is None:
        return None
    words = " ".join(text or "" for text in texts).split()
    if words and words[0] in ("max", "-1"):
        return None
    numbers = [int(one) for one in words if one.isascii() and one.isdecimal() and len(one) < _LONG]
    if len(words) != 2 or len(numbers) != 2 or not all(numbers):  # noqa: PLR2004 - a pair
        raise MachineUnreadable(
            f"/{path}",
            f"says {' '.join(words)[:40]!r}, which is no quota and its period in microseconds",
        )
    return CpuQuota(path=f"/{path}", quota_us=numbers[0], period_us=numbers[1])


def _tightest_limit(
    sysfs: Sysfs, above: Sequence[Level], *, own: Sequence[Level], findings: Findings
) -> MemoryLimit | None:
    """Find the limit of which the least is left; of equals the nearest to the process.

    `own` are the levels where a process that is alone uses nothing: its use ends with it.
    """
    limits = [
        limit
        for level in _counting(sysfs, above, findings)
        for limit in _memory(sysfs, level, alone=level in own, findings=findings)
    ]
    return min(limits, key=lambda one: one.left_bytes, default=None)


def _container_bytes(sysfs: Sysfs, above: Sequence[Level]) -> int | None:
    """Read the hard limit of the cgroup that is mounted; what is malformed is told elsewhere."""
    for level in above[-1:]:
        path = f"{level.folder}/{_MEMORY_FILES[level.version][0]}"
        return Findings().read(partial(_amount, sysfs, path))
    return None


def _counting(sysfs: Sysfs, above: Iterable[Level], findings: Findings) -> Iterator[Level]:
    """Stop below a folder of version 1 that does not count what is used below it."""
    for place, level in enumerate(above):
        path = f"{level.folder}/memory.use_hierarchy"
        if place and level.version == 1 and findings.read(sysfs.read, path) == "0":
            return
        yield level


def _memory(
    sysfs: Sysfs, level: Level, *, alone: bool, findings: Findings
) -> Iterator[MemoryLimit]:
    """Give the limits of one cgroup, each with what is left of it."""
    for name in _MEMORY_FILES[level.version]:
        path = f"{level.folder}/{name}"
        try:
            limit = _amount(sysfs, path)
        except MachineUnreadable as error:
            findings.add(error.path, error.message)
            continue
        if limit is not None:
            used = (
                0 if alone and _is_alone(sysfs, level, findings) else _used(sysfs, level, findings)
            )
            yield MemoryLimit(path=f"/{path}", limit_bytes=limit, left_bytes=max(0, limit - used))


def _amount(sysfs: Sysfs, path: str) -> int | None:
    """Read a limit; None where there is none.

    Raises:
        MachineUnreadable: where it is malformed.
    """
    text = sysfs.read(path)
    if text is None or text == "max":
        return None
    if not (text.isascii() and text.isdecimal()):
        raise MachineUnreadable(
            f"/{path}",
            f'says "{text[:40]}", which is no memory limit: it must be max or a number of bytes',
        )
    bytes_ = int(text[:_LONG])  # more digits are more than there can be
    return None if bytes_ >= _UNLIMITED else bytes_


def _is_alone(sysfs: Sysfs, level: Level, findings: Findings) -> bool:
    procs = findings.read(sysfs.read, f"{level.folder}/cgroup.procs") or ""
    return procs.isascii() and procs.isdecimal()


def _used(sysfs: Sysfs, level: Level, findings: Findings) -> int:
    """Tell how many bytes are used and cannot be given back."""
    used = findings.read(sysfs.number, f"{level.folder}/{_USAGE_FILES[level.version]}") or 0
    stat = findings.read(sysfs.read, f"{level.folder}/memory.stat") or ""
    fields = dict(line.split(maxsplit=1) for line in stat.splitlines() if len(line.split()) > 1)
    values = (fields.get(name, "") for name in _RECLAIMABLE[level.version])
    numbers = (int(one) for one in values if one.isascii() and one.isdecimal() and len(one) < _LONG)
    return max(0, used - sum(one for one in numbers if one <= _MOST))
