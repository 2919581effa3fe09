"""NUMA nodes: their CPUs, memory and distances."""

from collections.abc import Mapping
from typing import Final

from numalocal.idset import IdSet, union
from numalocal.machine.discovery import memory
from numalocal.machine.discovery.findings import Findings
from numalocal.machine.model import NumaNode
from numalocal.machine.sysfs import NODE, Sysfs, shown

_MOST_DIGITS: Final = 9


def read_nodes(sysfs: Sysfs, online: IdSet, findings: Findings) -> tuple[NumaNode, ...]:
    """Read every nodeN directory; a kernel without NUMA has one node, 0, that holds everything.

    There is none where the kernel has NUMA and its nodes cannot be read.
    """
    ids = _ids(sysfs, findings)
    if ids is None:
        amount, huge = memory.read_whole_memory(sysfs, findings)
        return (NumaNode(0, online, amount, {0: 10}, huge),)
    if not ids:
        return ()
    nodes = tuple(_node(sysfs, node, ids, online, findings) for node in ids)
    _note_overlaps(nodes, online, findings)
    return memory.with_device_memory(sysfs, memory.checked(sysfs, nodes, findings), findings)


def _ids(sysfs: Sysfs, findings: Findings) -> IdSet | None:
    """List the nodes; None where the kernel has no NUMA, empty where they cannot be told."""
    there = findings.read(sysfs.numbered, NODE, "node")
    if not there and not sysfs.exists(NODE):
        return None
    listed = findings.read(sysfs.list, f"{NODE}/online")
    if there is None and listed:
        return listed
    if not there:
        findings.add(NODE, "shows no NUMA node; no CPU is taken to be in one")
    elif listed is not None and listed != there:
        findings.add(f"{NODE}/online", f"says {listed}, the directories are {there}; they count")
    return there or IdSet()


def _node(sysfs: Sysfs, node: int, ids: IdSet, online: IdSet, findings: Findings) -> NumaNode:
    directory = f"{NODE}/node{node}"
    amount, huge = memory.read_memory(sysfs, directory, findings)
    return NumaNode(
        id=node,
        cpus=_cpus(sysfs, directory, online, findings),
        memory_bytes=amount,
        huge_page_bytes=huge,
        distances=_distances(sysfs, node, ids, findings),
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


def _distances(sysfs: Sysfs, node: int, ids: IdSet, findings: Findings) -> Mapping[int, int]:
    """Read one number for every online node, in the order of their ids."""
    path = f"{NODE}/node{node}/distance"
    text = findings.read(sysfs.read, path) or ""
    words = text.split()
    if not words:
        return {}
    numbers = [
        int(one) for one in words if one.isascii() and one.isdigit() and len(one) <= _MOST_DIGITS
    ]
    if not len(numbers) == len(words) == len(ids):
        findings.add(path, f"{shown(text)} is not one number for each of {len(ids)} nodes")
        return {}
    distances = dict(zip(ids, numbers, strict=True))
    if min(numbers) < distances[node]:
        findings.add(path, f"{shown(text)} puts another node nearer to node {node} than itself")
    return distances


def _note_overlaps(nodes: tuple[NumaNode, ...], online: IdSet, findings: Findings) -> None:
    seen = IdSet()
    for node in nodes:
        if both := seen & node.cpus:
            message = f"names CPUs {both} of other nodes too; they stay shared"
            findings.add(f"{NODE}/node{node.id}/cpulist", message)
        seen |= node.cpus
    if missing := online - union(node.cpus for node in nodes):
        findings.add(NODE, f"no node has CPUs {missing}; they stay shared")
