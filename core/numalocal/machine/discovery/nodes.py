"""NUMA nodes: their CPUs, memory and distances."""

from collections.abc import Mapping

from numalocal.idset import IdSet, union
from numalocal.machine.discovery.findings import Findings
from numalocal.machine.model import NumaNode
from numalocal.machine.sysfs import NODE, Sysfs


def read_nodes(sysfs: Sysfs, online: IdSet, findings: Findings) -> tuple[NumaNode, ...]:
    """Read every nodeN directory; a kernel without NUMA has one node, 0, that holds everything."""
    ids = sysfs.numbered(NODE, "node")
    if not ids:
        return (_whole_machine(sysfs, online, findings),)
    listed = findings.read(sysfs.list, f"{NODE}/online")
    if listed is not None and listed != ids:
        findings.add(f"{NODE}/online", f"says {listed}, the directories are {ids}; they count")
    nodes = tuple(_node(sysfs, node, ids, online, findings) for node in ids)
    _note_overlaps(nodes, online, findings)
    return nodes


def _node(sysfs: Sysfs, node: int, ids: IdSet, online: IdSet, findings: Findings) -> NumaNode:
    directory = f"{NODE}/node{node}"
    meminfo = _meminfo(sysfs, f"{directory}/meminfo", findings)
    return NumaNode(
        id=node,
        cpus=_cpus(sysfs, directory, online, findings),
        memory_bytes=meminfo.get("MemTotal"),
        huge_page_bytes=_huge_page_bytes(sysfs, f"{directory}/hugepages", findings),
        distances=_distances(sysfs, f"{directory}/distance", ids, findings),
    )


def _cpus(sysfs: Sysfs, directory: str, online: IdSet, findings: Findings) -> IdSet:
    path, mask_path = f"{directory}/cpulist", f"{directory}/cpumap"
    listed, masked = findings.read(sysfs.list, path), findings.read(sysfs.mask, mask_path)
    if listed is None and masked is None:
        findings.add(path, "is missing; the node is taken to have no CPU")
    if listed is not None and masked is not None and listed != masked:
        findings.add(path, f"says {listed}, cpumap beside it {masked}; the list counts")
    cpus = masked if listed is None else listed
    return findings.online(cpus, online, path)


def _distances(sysfs: Sysfs, path: str, ids: IdSet, findings: Findings) -> Mapping[int, int]:
    """Read one number for every online node, in the order of their ids."""
    words = (findings.read(sysfs.read, path) or "").split()
    if not words:
        return {}
    if len(words) != len(ids) or not all(word.isascii() and word.isdigit() for word in words):
        findings.add(path, f"{' '.join(words)!r} is not one number for each of {len(ids)} nodes")
        return {}
    return dict(zip(ids, map(int, words), strict=True))


def _huge_page_bytes(sysfs: Sysfs, directory: str, findings: Findings) -> int:
    """Sum hugepages-<size>kB/nr_hugepages over all sizes, pages in use or not."""
    total = 0
    for name in sysfs.names(directory):
        size = name.removeprefix("hugepages-").removesuffix("kB")
        if size.isdigit():
            count = findings.read(sysfs.number, f"{directory}/{name}/nr_hugepages") or 0
            total += int(size) * 1024 * count
    return total


def _meminfo(sysfs: Sysfs, path: str, findings: Findings) -> Mapping[str, int]:
    meminfo = findings.read(sysfs.meminfo, path) or {}
    if "MemTotal" not in meminfo:
        findings.add(path, "gives no MemTotal; how much memory there is is not known")
    return meminfo


def _whole_machine(sysfs: Sysfs, online: IdSet, findings: Findings) -> NumaNode:
    """Stand in for the node directory of a kernel without NUMA."""
    meminfo = _meminfo(sysfs, "proc/meminfo", findings)
    huge = meminfo.get("HugePages_Total", 0) * meminfo.get("Hugepagesize", 0)
    return NumaNode(
        id=0,
        cpus=online,
        memory_bytes=meminfo.get("MemTotal"),
        huge_page_bytes=meminfo.get("Hugetlb", huge),
        distances={0: 10},
    )


def _note_overlaps(nodes: tuple[NumaNode, ...], online: IdSet, findings: Findings) -> None:
    seen = IdSet()
    for node in nodes:
        if both := seen & node.cpus:
            message = f"names CPUs {both} of other nodes too; they stay shared"
            findings.add(f"{NODE}/node{node.id}/cpulist", message)
        seen |= node.cpus
    if missing := online - union(node.cpus for node in nodes):
        findings.add(NODE, f"no node has CPUs {missing}; they stay shared")
