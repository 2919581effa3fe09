"""Kinds of cores on a hybrid machine: performance and efficiency."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from numalocal.idset import IdSet, union
from numalocal.machine.discovery.findings import Findings
from numalocal.machine.model import KINDS, Core, CoreKind
from numalocal.machine.sysfs import CPU, Sysfs

_PERFORMANCE_PMU: Final = "sys/devices/cpu_core/cpus"
_EFFICIENCY_PMUS: Final = ("sys/devices/cpu_atom/cpus", "sys/devices/cpu_lowpower/cpus")
"""The counters that each kind of Intel's hybrid cores has (intel_pmu, since Linux 5.13)."""

Speed = tuple[int, int, int]
"""Rank of the counters' kind, capacity, base frequency in kHz: more is faster; -1 = not given."""


def read_kinds(sysfs: Sysfs, siblings: Sequence[IdSet], findings: Findings) -> tuple[CoreKind, ...]:
    """Group the CPUs by the speed that the kernel gives them, fastest first; empty where all agree.

    From cpuN/cpu_capacity (ARM, hybrid x86 since Linux 6.12) and Intel's performance counters.
    Servers may have base frequencies that differ between equal cores (Speed Select), so
    cpuN/cpufreq/base_frequency counts only where cores differ in another way as well.
    """
    capacity = _of_cores(sysfs, siblings, "cpu_capacity", findings)
    performance = findings.read(sysfs.list, _PERFORMANCE_PMU) or IdSet()
    hybrid = performance and any(findings.read(sysfs.list, path) for path in _EFFICIENCY_PMUS)
    mixed_threads = len({len(core) for core in siblings}) > 1
    differs = bool(hybrid) or mixed_threads or len(set(capacity)) > 1
    base = _of_cores(sysfs, siblings, "cpufreq/base_frequency", findings) if differs else []
    by_speed: dict[Speed, list[IdSet]] = defaultdict(list)
    for index, core in enumerate(siblings):
        ranked = int(core.first in performance) if hybrid else 0
        speed = (ranked, capacity[index] if capacity else -1, base[index] if base else -1)
        by_speed[speed].append(core)
    if len(by_speed) == 1:
        return ()
    fastest = max(by_speed)
    return tuple(
        CoreKind(
            kind=KINDS[0] if speed == fastest else KINDS[1],
            cpus=union(by_speed[speed]),
            capacity=None if speed[1] < 0 else speed[1],
            base_khz=None if speed[2] < 0 else speed[2],
        )
        for speed in sorted(by_speed, reverse=True)
    )


def with_kinds(cores: Sequence[Core], kinds: Sequence[CoreKind]) -> tuple[Core, ...]:
    """Tell each core its kind."""
    if not kinds:
        return tuple(cores)
    fast = union(one.cpus for one in kinds if one.kind == KINDS[0])
    return tuple(
        core._replace(kind=KINDS[1] if core.cpus.isdisjoint(fast) else KINDS[0]) for core in cores
    )


def _of_cores(sysfs: Sysfs, siblings: Sequence[IdSet], name: str, findings: Findings) -> list[int]:
    """Read a number of each core's first CPU, -1 where missing; empty where the first has none."""
    values: list[int] = []
    for core in siblings:
        value = findings.read(sysfs.number, f"{CPU}/cpu{core.first}/{name}")
        if value is None and not values:
            return []
        values.append(-1 if value is None else value)
    return values
