"""Cores and packages: which logical CPUs are siblings, and where they sit."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from numalocal.idset import IdSet, union
from numalocal.machine.discovery.findings import Findings
from numalocal.machine.model import Core, NumaNode, Package
from numalocal.machine.sysfs import CPU, Sysfs

_SIBLINGS: Final = ("thread_siblings_list", "thread_siblings", "core_cpus_list", "core_cpus")
_OF_PACKAGE: Final = ("core_siblings_list", "core_siblings", "package_cpus_list", "package_cpus")
"""Files of cpuN/topology that say the same, lists and masks, by their older and newer names."""


def read_siblings(sysfs: Sysfs, online: IdSet, findings: Findings) -> tuple[IdSet, ...] | None:
    """Group the online CPUs into cores, by lowest CPU; None where the kernel tells nothing.

    From cpuN/topology/thread_siblings, or core_cpus as it is called today; where both are missing
    from physical_package_id and core_id.  Siblings are siblings both ways: where the files
    contradict each other, all that name
    each other make one core, as half a core must never be given away.
    """
    groups: dict[IdSet, list[int]] = defaultdict(list)
    unknown = []
    for cpu in online:
        topology = f"{CPU}/cpu{cpu}/topology"
        siblings = findings.ids(sysfs, *(f"{topology}/{name}" for name in _SIBLINGS))
        if siblings and not siblings <= online:
            siblings = findings.online(siblings, online, f"{topology}/thread_siblings_list")
        if siblings:
            groups[siblings].append(cpu)
        else:
            unknown.append(cpu)
    named = _merged(groups, findings)
    by_id = _by_core_id(sysfs, IdSet.of(unknown) - union(named), findings)
    cores = [*named, *by_id]
    if not cores:
        findings.add(CPU, "tells no cores; every CPU is taken for one")
        return None
    if alone := online - union(cores):
        findings.add(CPU, f"tells no core of CPUs {alone}; each is taken for one")
        cores += (IdSet.of([cpu]) for cpu in alone)
    return tuple(sorted(cores, key=lambda core: core.first))


def _by_core_id(sysfs: Sysfs, cpus: Iterable[int], findings: Findings) -> list[IdSet]:
    cores: dict[tuple[int | None, int], list[int]] = defaultdict(list)
    for cpu in cpus:
        topology = f"{CPU}/cpu{cpu}/topology"
        core = findings.read(sysfs.number, f"{topology}/core_id")
        if core is not None:
            package = findings.read(sysfs.number, f"{topology}/physical_package_id")
            cores[package, core].append(cpu)
    return [IdSet.of(members) for members in cores.values()]


def _merged(groups: Mapping[IdSet, Sequence[int]], findings: Findings) -> list[IdSet]:
    """Join the groups that name each other's CPUs but do not agree; most machines have none."""
    named = {siblings: IdSet.of(members) for siblings, members in groups.items()}
    merged = [siblings for siblings, members in named.items() if siblings == members]
    for siblings, members in named.items():
        if siblings == members:
            continue
        path = f"{CPU}/cpu{members.first}/topology/thread_siblings_list"
        findings.add(path, f"says {siblings}, its siblings say otherwise; taken for one core")
        joined = siblings | members
        touching = [one for one in merged if not one.isdisjoint(joined)]
        merged = [one for one in merged if one not in touching]
        merged.append(union([joined, *touching]))
    return merged


def read_packages(
    sysfs: Sysfs, online: IdSet, siblings: Sequence[IdSet], findings: Findings
) -> tuple[Package, ...]:
    """Group the online CPUs into packages, by lowest CPU; empty where the kernel tells none.

    By cpuN/topology/physical_package_id; where that is -1 by core_siblings.
    """
    by_id: dict[int, list[int]] = defaultdict(list)
    without = []
    for cpu in online:
        package = findings.read(sysfs.number, f"{CPU}/cpu{cpu}/topology/physical_package_id")
        if package is None:
            without.append(cpu)
        else:
            by_id[package].append(cpu)
    packages = [Package(id=number, cpus=IdSet.of(cpus)) for number, cpus in by_id.items()]
    for one in packages:
        _compare(sysfs, one, findings)
    packages += _unnumbered(sysfs, IdSet.of(without), siblings, findings)
    return tuple(sorted(packages, key=lambda package: package.cpus.first))


def _compare(sysfs: Sysfs, package: Package, findings: Findings) -> None:
    """Compare the id with core_siblings: some kernels gave the node's CPUs there."""
    cpu = package.cpus.first
    told = _core_siblings(sysfs, cpu, findings)
    if told and told != package.cpus:
        findings.add(
            f"{CPU}/cpu{cpu}/topology/core_siblings_list",
            f"says {told}, physical_package_id {package.id} is on {package.cpus}; the id counts",
        )


def _unnumbered(
    sysfs: Sysfs, cpus: IdSet, siblings: Iterable[IdSet], findings: Findings
) -> list[Package]:
    """Group CPUs whose package has no id, as on s390x, by core_siblings of every core."""
    groups = {
        cpus & (told | core)
        for core in siblings
        if core <= cpus and (told := _core_siblings(sysfs, core.first, findings))
    }
    if sum(map(len, groups)) > len(union(groups)):
        findings.add(
            CPU, "core_siblings of some CPUs contradict each other's; no packages are told"
        )
        return []
    return [Package(id=None, cpus=group) for group in groups]


def _core_siblings(sysfs: Sysfs, cpu: int, findings: Findings) -> IdSet | None:
    topology = f"{CPU}/cpu{cpu}/topology"
    return findings.ids(sysfs, *(f"{topology}/{name}" for name in _OF_PACKAGE))


def make_cores(
    sysfs: Sysfs,
    siblings: Iterable[IdSet],
    packages: Iterable[Package],
    nodes_of: Mapping[int, IdSet],
    findings: Findings,
) -> tuple[Core, ...]:
    """Give every group of siblings its package, core id and nodes, by lowest CPU."""
    package_of = {cpu: package.id for package in packages for cpu in package.cpus}
    cores = []
    for cpus in siblings:
        told = [cpu for cpu in cpus if cpu in package_of]
        asked = told[0] if told else cpus.first  # an offline CPU has no topology
        core = findings.read(sysfs.number, f"{CPU}/cpu{asked}/topology/core_id")
        if len({package_of[cpu] for cpu in told}) > 1:
            path = f"{CPU}/cpu{asked}/topology/physical_package_id"
            findings.add(
                path, f"differs among the siblings {cpus} of one core; the lowest CPU's counts"
            )
        cores.append(
            Core(
                package=package_of.get(asked),
                core=cpus.first if core is None else core,
                cpus=cpus,
                numa_nodes=union(nodes_of[cpu] for cpu in cpus if cpu in nodes_of),
            )
        )
    return tuple(cores)


def nodes_by_cpu(nodes: Iterable[NumaNode]) -> Mapping[int, IdSet]:
    """Tell of every CPU which nodes name it."""
    found: dict[int, IdSet] = {}
    for node in nodes:
        own = IdSet.of([node.id])
        for cpu in node.cpus:
            found[cpu] = found[cpu] | own if cpu in found else own
    return found
