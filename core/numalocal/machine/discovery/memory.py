"""Memory of NUMA nodes: how much there is, what of it is huge pages, and whose it is."""

from collections.abc import Mapping, Sequence
from typing import Final

from numalocal.idset import IdSet
from numalocal.machine.discovery.findings import Findings
from numalocal.machine.model import NumaNode
from numalocal.machine.sysfs import NODE, Sysfs

_NEAR: Final = 0.1
"""Old kernels count what they reserve at boot in one of two files that else say the same."""
_LONG: Final = 20
"""Digits that no number of 64 bits has."""
_KMEM: Final = "sys/bus/dax/drivers/kmem"
_GPUS: Final = "proc/driver/nvidia/gpus"


def read_memory(sysfs: Sysfs, directory: str, findings: Findings) -> tuple[int | None, int]:
    """Read a node's memory and the part of it that is huge pages, in bytes."""
    path = f"{directory}/meminfo"
    memory = _meminfo(sysfs, path, findings).get("MemTotal")
    huge = _huge_page_bytes(sysfs, f"{directory}/hugepages", findings)
    if memory is not None and huge > memory:
        said = f"are {_kb(huge)} of {_kb(memory)}"
        findings.add(f"{directory}/hugepages", f"{said}; the node is taken to have no more")
    return memory, huge


def read_whole_memory(sysfs: Sysfs, findings: Findings) -> tuple[int | None, int]:
    """Read the same of a kernel without NUMA."""
    meminfo = _meminfo(sysfs, "proc/meminfo", findings)
    huge = meminfo.get("HugePages_Total", 0) * meminfo.get("Hugepagesize", 0)
    return meminfo.get("MemTotal"), meminfo.get("Hugetlb", huge)


def checked(sysfs: Sysfs, nodes: Sequence[NumaNode], findings: Findings) -> tuple[NumaNode, ...]:
    """Compare what the nodes have with /proc/meminfo, which counts where there is one node.

    A virtual machine that grows may add memory that its firmware puts into no node, and node 0
    goes on telling what it had at boot.
    """
    path = "proc/meminfo"
    total = (_meminfo(sysfs, path, findings) if sysfs.exists(path) else {}).get("MemTotal")
    told = sum(node.memory_bytes or 0 for node in nodes)
    if total is None or abs(told - total) <= _NEAR * max(told, total):
        return tuple(nodes)
    said = f"is {_kb(told)} in all nodes, /proc/meminfo has {_kb(total)}"
    alone = len(nodes) == 1
    which = "that counts" if alone else "the nodes' count"
    findings.add(f"{NODE}/node{nodes[0].id}/meminfo", f"MemTotal {said}; {which}")
    return tuple(node._replace(memory_bytes=total) if alone else node for node in nodes)


def with_device_memory(
    sysfs: Sysfs, nodes: Sequence[NumaNode], findings: Findings
) -> tuple[NumaNode, ...]:
    """Mark the nodes whose memory a driver brought, and of these the ones that are a device's.

    Such a node has no CPU, and the kernel keeps nothing of its own there (node/has_normal_memory),
    or NVIDIA's driver names it.  What dax brought is for everybody (CXL, HBM, persistent memory);
    all else is a device's.  Where that file is missing a node without CPUs is a device's if any
    other has memory and dax did not bring it.
    """
    without_cpus = IdSet.of(node.id for node in nodes if not node.cpus and node.memory_bytes)
    if not without_cpus:
        return tuple(nodes)
    normal = findings.read(sysfs.list, f"{NODE}/has_normal_memory")
    if normal is None:
        elsewhere = any(node.cpus and node.memory_bytes for node in nodes)
        normal = IdSet() if elsewhere else without_cpus
    movable, gpus = without_cpus - normal, _nodes_of_gpus(sysfs, findings) & without_cpus
    devices = gpus | (movable - _nodes_of_dax(sysfs, findings))
    return tuple(
        node._replace(device_memory=node.id in devices, movable=node.id in movable)
        for node in nodes
    )


def _nodes_of_dax(sysfs: Sysfs, findings: Findings) -> IdSet:
    """Read the nodes that dax devices became memory of: those that the driver kmem has."""
    devices = [name for name in findings.read(sysfs.names, _KMEM) or () if name.startswith("dax")]
    nodes = (findings.read(sysfs.number, f"{_KMEM}/{name}/target_node") for name in devices)
    return IdSet.of(node for node in nodes if node is not None)


def _nodes_of_gpus(sysfs: Sysfs, findings: Findings) -> IdSet:
    """Read the nodes that NVIDIA's driver put its GPUs' memory into: `Node: 255`."""
    found = []
    for gpu in findings.read(sysfs.names, _GPUS) or ():
        text = findings.read(sysfs.read, f"{_GPUS}/{gpu}/numa_status") or ""
        for line in text.splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "Node" and value.strip().isdecimal() and len(value) < _LONG:
                found.append(int(value))
    return IdSet.of(found)


def _huge_page_bytes(sysfs: Sysfs, directory: str, findings: Findings) -> int:
    """Sum hugepages-<size>kB/nr_hugepages over all sizes, pages in use or not."""
    total = 0
    for name in findings.read(sysfs.names, directory) or ():
        size = name.removeprefix("hugepages-").removesuffix("kB")
        if size.isascii() and size.isdigit() and len(size) < _LONG:
            count = findings.read(sysfs.number, f"{directory}/{name}/nr_hugepages") or 0
            total += int(size) * 1024 * count
    return total


def _kb(amount_bytes: int) -> str:
    """Write an amount as the files do, so that it is found there."""
    return f"{amount_bytes // 1024} kB"


def _meminfo(sysfs: Sysfs, path: str, findings: Findings) -> Mapping[str, int]:
    meminfo = findings.read(sysfs.meminfo, path) or {}
    if "MemTotal" not in meminfo:
        findings.add(path, "gives no MemTotal; how much memory there is is not known")
    return meminfo
