"""Levels above the core: L3 caches, clusters, dies, books and drawers."""

from collections.abc import Collection, Sequence
from typing import Final

from numalocal.idset import IdSet, union
from numalocal.machine.discovery.findings import Findings
from numalocal.machine.model import Package
from numalocal.machine.sysfs import CPU, Sysfs

FILES: Final = {
    "dies": "die_cpus",
    "clusters": "cluster_cpus",
    "books": "book_siblings",
    "drawers": "drawer_siblings",
}
"""Levels and their files in cpuN/topology, masks; the lists end in `_list`.

Source: Documentation/admin-guide/cputopology.rst.
"""


def read_level(
    sysfs: Sysfs,
    level: str,
    siblings: Sequence[IdSet],
    packages: Collection[Package],
    findings: Findings,
) -> tuple[IdSet, ...]:
    """Read the groups of a level, by lowest CPU; empty where they tell nothing new.

    That is where the kernel has no such file, or every group is a single CPU, a core or a package.
    """
    name = FILES[level]
    topology = findings.read(sysfs.names, f"{CPU}/cpu{siblings[0].first}/topology") or ()
    if name not in topology and f"{name}_list" not in topology:
        return ()
    found: set[IdSet] = set()
    online = union(siblings)
    for core in siblings:
        path = f"{CPU}/cpu{core.first}/topology/{name}"
        group = findings.online(findings.ids(sysfs, f"{path}_list", path), online, path)
        if group:
            found.add(group)
    single = all(len(group) == 1 for group in found)
    if single or found == set(siblings) or found == {package.cpus for package in packages}:
        return ()
    return _in_order(found, FILES[level], findings)


def read_l3(sysfs: Sysfs, siblings: Sequence[IdSet], findings: Findings) -> tuple[IdSet, ...]:
    """Read the sets of CPUs that share an L3 cache, by lowest CPU; empty where none is reported."""
    found: set[IdSet] = set()
    online = union(siblings)
    for core in siblings:
        cache = _l3_directory(sysfs, core.first, findings)
        if cache is None:
            continue
        path = f"{cache}/shared_cpu_list"
        told = findings.ids(sysfs, path, f"{cache}/shared_cpu_map")
        sharing = findings.online(told, online, path)
        if not sharing or core.first not in sharing:
            findings.add(path, f"says {str(told or '')!r}; the L3 is taken for the core's own")
            sharing = core
        found.add(sharing)
    return _in_order(found, "L3 cache", findings)


def _l3_directory(sysfs: Sysfs, cpu: int, findings: Findings) -> str | None:
    """Find the cache of level 3: index3 nearly everywhere, so look there first."""
    cache = f"{CPU}/cpu{cpu}/cache"
    if findings.read(sysfs.number, f"{cache}/index3/level") == 3:  # noqa: PLR2004 - L3
        return f"{cache}/index3"
    for name in findings.read(sysfs.names, cache) or ():
        if name.startswith("index") and findings.read(sysfs.number, f"{cache}/{name}/level") == 3:  # noqa: PLR2004
            return f"{cache}/{name}"
    return None


def _in_order(groups: Collection[IdSet], what: str, findings: Findings) -> tuple[IdSet, ...]:
    """Sort by lowest CPU; groups of one level that overlap are noted."""
    ordered = tuple(sorted(groups, key=lambda group: group.first))
    if sum(len(group) for group in ordered) > len(union(ordered)):
        findings.add(CPU, f"{what} groups overlap: {'; '.join(map(str, ordered))}")
    return ordered
