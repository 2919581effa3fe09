"""Kinds of cores on a hybrid machine: performance and efficiency.

Two cores are of two kinds where the kernel calls them so, or where they differ clearly.  Equal
cores may have other base frequencies (Speed Select), a favoured core a little more capacity, and
two dies of one part are never quite alike: all these are one kind.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from numalocal.idset import IdSet, union
from numalocal.machine.discovery.findings import Findings
from numalocal.machine.model import KINDS, Core, CoreKind
from numalocal.machine.sysfs import CPU, Sysfs

_COUNTERS: Final = ("cpu_core", "cpu_atom", "cpu_lowpower")
"""The counters that each kind of Intel's hybrid cores has (since Linux 5.13), fastest first."""
_CLEARLY: Final = 0.9
"""A core is clearly slower than another where it has less than this part of its speed."""
_PART_BITS: Final = 0xFF00FFF0
"""Of MIDR_EL1: who made the core, and which one it is, without variant and revision."""

Groups = Sequence[Sequence[IdSet]]
"""Cores by kind, fastest first; a single group where all are alike."""


def read_kinds(
    sysfs: Sysfs, siblings: Sequence[IdSet], offline: IdSet, findings: Findings
) -> tuple[CoreKind, ...]:
    """Group the online CPUs by kind, fastest first; empty where all are alike.

    The counters of Intel's kinds decide, else ARM's part numbers, else cpuN/cpu_capacity where
    there is a gap of more than a tenth from one to the next, else numbers of threads together with
    base frequencies.  CPUs of one kind whose base frequencies lie as far apart are told apart.
    """
    capacities = _of_cores(sysfs.number, siblings, "cpu_capacity", findings)
    groups = (
        _by_counters(sysfs, siblings, findings)
        or _by_part(sysfs, siblings, capacities, findings)
        or _by_gaps(siblings, capacities)
    )
    bases: Mapping[IdSet, int] = {}
    if len(groups) > 1 or len({len(core) for core in siblings}) > 1:
        bases = _of_cores(sysfs.number, siblings, "cpufreq/base_frequency", findings)
    if len(groups) == 1:
        groups = _by_threads(siblings, bases, len(offline))
    if len(groups) == 1:
        return ()
    return tuple(
        CoreKind(
            kind=KINDS[min(place, 1)],
            cpus=union(alike),
            capacity=max((capacities[core] for core in alike if capacities), default=None),
            base_khz=max((bases[core] for core in alike if bases), default=None),
        )
        for place, group in enumerate(groups)
        for alike in _by_gaps(group, bases)
    )


def with_kinds(
    cores: Sequence[Core], kinds: Sequence[CoreKind], findings: Findings
) -> tuple[Core, ...]:
    """Tell each core its kind.

    A core that is offline as a whole has that of the cores beside it, or of the one that has as
    many CPUs.
    """
    if not kinds:
        return tuple(cores)
    kind_of = {cpu: one.kind for one in kinds for cpu in one.cpus}
    told = [next((kind_of[cpu] for cpu in core.cpus if cpu in kind_of), None) for core in cores]
    known = [place for place, kind in enumerate(told) if kind is not None]
    made = []
    for place, (core, kind) in enumerate(zip(cores, told, strict=True)):
        if kind is None:
            beside = [*[one for one in known if one < place][-1:]]
            beside += [one for one in known if one > place][:1]
            alike = [one for one in beside if len(cores[one].cpus) == len(core.cpus)] or beside
            kind = told[alike[0]]  # noqa: PLW2901 - the loop's own was none
            if len({told[one] for one in alike}) > 1:
                message = f"are offline and their kind is not told; taken for {kind} cores"
                findings.add(f"{CPU}/offline", f"CPUs {core.cpus} {message}")
        made.append(core._replace(kind=kind))
    return tuple(made)


def _by_counters(sysfs: Sysfs, siblings: Sequence[IdSet], findings: Findings) -> Groups:
    """Group by the counters' kinds; empty where there are none, or all cores have the same."""
    members: list[IdSet] = []
    for name in _COUNTERS:
        path = f"sys/devices/{name}/cpus"
        cpus = findings.read(sysfs.list, path) or IdSet()
        if both := cpus & union(members):
            findings.add(path, f"names CPUs {both} of another kind too; the faster kind counts")
        members.append(cpus)
    if not any(members):
        return []
    grouped: dict[int, list[IdSet]] = defaultdict(list)
    for core in siblings:
        kinds = (kind for kind, cpus in enumerate(members) if not core.isdisjoint(cpus))
        grouped[next(kinds, len(members))].append(core)
    if unnamed := union(grouped.get(len(members), [])):
        findings.add("sys/devices", f"no kind's counters name CPUs {unnamed}; taken for slower")
    return [grouped[kind] for kind in sorted(grouped)] if len(grouped) > 1 else []


def _by_part(
    sysfs: Sysfs, siblings: Sequence[IdSet], capacities: Mapping[IdSet, int], findings: Findings
) -> Groups:
    """Group by ARM's part numbers; empty where all are of one part, or equally fast."""
    name = "regs/identification/midr_el1"
    registers = _of_cores(sysfs.hexadecimal, siblings, name, findings)
    grouped: dict[int, list[IdSet]] = defaultdict(list)
    for core, register in registers.items():
        grouped[register & _PART_BITS].append(core)
    if len(grouped) <= 1:
        return []
    if not capacities:
        findings.add(
            f"{CPU}/cpu{siblings[0].first}/{name}",
            f"differs among {len(grouped)} kinds of cores and nothing tells the faster; "
            "taken for one kind",
        )
        return []
    speed = {part: max(capacities[core] for core in grouped[part]) for part in grouped}
    by_speed: dict[int, list[IdSet]] = defaultdict(list)
    for part, cores in grouped.items():
        by_speed[speed[part]] += cores
    return [by_speed[one] for one in sorted(by_speed, reverse=True)] if len(by_speed) > 1 else []


def _by_gaps(cores: Sequence[IdSet], speeds: Mapping[IdSet, int]) -> Groups:
    """Group cores where there is a clear gap from one speed to the next; one group without any."""
    if not speeds:
        return [cores]
    groups: list[list[IdSet]] = []
    last = 0
    for core in sorted(cores, key=lambda one: -speeds[one]):  # stable: by lowest CPU within one
        if not groups or speeds[core] < last * _CLEARLY:
            groups.append([])
        groups[-1].append(core)
        last = speeds[core]
    return groups


def _by_threads(cores: Sequence[IdSet], bases: Mapping[IdSet, int], offline: int) -> Groups:
    """Group cores with fewer threads that are all clearly slower; one group without any.

    As many cores as there are CPUs offline may have fewer for that alone.
    """
    most = max(len(core) for core in cores)
    large, small = (
        [one for one in cores if len(one) == most],
        [one for one in cores if len(one) < most],
    )
    if not bases or len(small) <= offline:
        return [cores]
    slower = max(bases[core] for core in small) < min(bases[core] for core in large) * _CLEARLY
    return [large, small] if slower else [cores]


def _of_cores(
    reader: Callable[[str], int | None], siblings: Sequence[IdSet], name: str, findings: Findings
) -> Mapping[IdSet, int]:
    """Read a number of each core's first CPU; empty unless all have one."""
    values: dict[IdSet, int] = {}
    for core in siblings:
        path = f"{CPU}/cpu{core.first}/{name}"
        value = findings.read(reader, path)
        if value is None:
            if values:
                findings.add(path, "is missing and other cores have it; it counts for none")
            return {}
        values[core] = value
    return values
