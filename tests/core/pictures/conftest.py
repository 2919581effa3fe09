"""What is drawn: machines as plain values, cut by hand and used in part."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from numalocal.idset import IdSet, union
from numalocal.machine.model import Core, CoreKind, Finding, Machine, NumaNode, Package
from numalocal.sets.cpusets import CpuSet, device_id, in_rank_order
from numalocal.sets.partition import Partition

GOLDEN = Path(__file__).parents[2] / "golden" / "pictures"
GIB = 1 << 30
ANSI = re.compile(r"\x1b\[[0-9;]*m")

Drawn = tuple[Machine, Partition | None, Mapping[str, str]]


def regular(
    *, packages: int, nodes: int, cores: int, threads: int = 2, l3: int | None = None
) -> Machine:
    """Build nodes per package and cores per node, numbered as x86 does: second threads last."""
    every = packages * nodes * cores
    made = tuple(
        Core(
            package=core // (nodes * cores),
            core=core % (nodes * cores),
            cpus=IdSet.of(range(core, every * threads, every)),
            numa_nodes=IdSet.of([core // cores]),
        )
        for core in range(every)
    )
    online = IdSet.of(range(every * threads))
    return Machine(
        online=online,
        allowed=online,
        allowed_nodes=IdSet.of(range(packages * nodes)),
        packages=tuple(
            Package(id=one, cpus=cpus_of([core for core in made if core.package == one]))
            for one in range(packages)
        ),
        cores=made,
        nodes=tuple(
            NumaNode(
                id=node,
                cpus=cpus_of(made[node * cores : (node + 1) * cores]),
                memory_bytes=64 * GIB,
                distances={
                    other: 10 if other == node else 12 if other // nodes == node // nodes else 32
                    for other in range(packages * nodes)
                },
            )
            for node in range(packages * nodes)
        ),
        l3=tuple(cpus_of(made[start : start + l3]) for start in range(0, every, l3)) if l3 else (),
        architecture="x86_64",
    )


def cpus_of(cores: Sequence[Core]) -> IdSet:
    return union(core.cpus for core in cores)


def cut(machine: Machine, size: int) -> Partition:
    """Leave each node's first core shared, and what is too little for a set."""
    sets = []
    forbidden = machine.online - machine.allowed
    for node in machine.nodes:
        ours = [core for core in machine.cores_of(node.id)[1:] if not core.cpus <= forbidden]
        for cores in alike(machine, ours):
            for start in range(0, len(cores) - size + 1, size):
                run = cores[start : start + size]
                cpus = cpus_of(run)
                gone = [core for core in run if core.cpus <= machine.offline]
                sets.append(
                    CpuSet(
                        id=device_id("cpuset", node.id, cpus),
                        pool="cpuset",
                        cpus=cpus & machine.allowed,
                        present=cpus,
                        missing=cpus_of(gone),
                        numa_node=node.id,
                        memory_nodes=IdSet.of([node.id]),
                        memory_bytes=8 * GIB,
                    )
                )
    shared = machine.allowed - union(one.cpus for one in sets)
    return Partition(pools=(), sets=in_rank_order(sets), shared=shared)


def alike(machine: Machine, cores: Sequence[Core]) -> Sequence[Sequence[Core]]:
    """Part cores by kind and cache."""
    found: dict[object, list[Core]] = {}
    for core in cores:
        cache = next((near for near in machine.l3 if core.cpus <= near), None)
        found.setdefault((core.kind, cache), []).append(core)
    return list(found.values())


def used(parts: Partition, every: int) -> Mapping[str, str]:
    return {one.id: f"llama-0 rank {rank}" for rank, one in enumerate(parts.sets[::every])}


def hybrid() -> Machine:
    """Eight performance cores of two threads, eight efficiency cores of one."""
    fast = [
        Core(None, core, IdSet.of([2 * core, 2 * core + 1]), IdSet.of([0]), "performance")
        for core in range(8)
    ]
    slow = [Core(None, cpu, IdSet.of([cpu]), IdSet.of([0]), "efficiency") for cpu in range(16, 24)]
    online = IdSet.of(range(24))
    return Machine(
        online=online,
        allowed=online,
        allowed_nodes=IdSet.of([0]),
        packages=(Package(0, online),),
        cores=(*fast, *slow),
        nodes=(NumaNode(0, online, 64 * GIB, {0: 10}),),
        l3=(online,),
        kinds=(
            CoreKind("performance", cpus_of(fast), 1024, None),
            CoreKind("efficiency", cpus_of(slow), 512, None),
        ),
        architecture="x86_64",
    )


def memory_only() -> Machine:
    """Two nodes with CPUs and huge pages, one of memory alone, and something inconsistent."""
    plain = regular(packages=2, nodes=1, cores=8)
    far = {0: {0: 10, 1: 21, 2: 14}, 1: {0: 21, 1: 10, 2: 24}, 2: {0: 14, 1: 24, 2: 10}}
    with_cpus = [
        node._replace(distances=far[node.id], memory_bytes=256 * GIB, huge_page_bytes=32 * GIB)
        for node in plain.nodes
    ]
    path = "/sys/devices/system/node/node2/distance"
    return plain._replace(
        nodes=(*with_cpus, NumaNode(2, IdSet(), 512 * GIB, far[2])),
        allowed_nodes=IdSet.of(range(3)),
        findings=(Finding(path, "has 4 numbers for 3 nodes; the last one is not used"),),
    )


def broken() -> Machine:
    """A core and a thread are offline, memory of node 1 and a core there are not allowed.

    Firmware puts CPUs 7,15 into no node.
    """
    plain = regular(packages=2, nodes=1, cores=4)
    offline = IdSet.of([1, 2, 9])
    online = plain.online - offline
    astray = plain.cores[7]._replace(numa_nodes=IdSet())
    nodes = [node._replace(cpus=node.cpus & online - astray.cpus) for node in plain.nodes]
    return plain._replace(
        online=online,
        offline=offline,
        allowed=online - plain.cores[6].cpus,
        allowed_nodes=IdSet.of([0]),
        cores=(*plain.cores[:7], astray),
        nodes=tuple(nodes),
        findings=(Finding("/sys/devices/system/node", "no node has CPUs 7,15; they stay shared"),),
    )


MACHINES: Mapping[str, tuple[Callable[[], Machine], int | None, int]] = {
    "two-nodes": (lambda: regular(packages=2, nodes=1, cores=6), 2, 2),
    "epyc": (lambda: regular(packages=2, nodes=4, cores=16, l3=8), 4, 3),
    "hybrid": (hybrid, 2, 2),
    "memory-only": (memory_only, 3, 3),
    "one-core-nodes": (lambda: regular(packages=32, nodes=4, cores=1), None, 1),
    "broken": (broken, 1, 2),
    "two-cores": (lambda: regular(packages=1, nodes=1, cores=2, threads=1), 1, 1),
    "2048-cpus": (lambda: regular(packages=8, nodes=2, cores=64, l3=8), 7, 3),
    "one-core-sets": (lambda: regular(packages=1, nodes=2, cores=64), 1, 16),
}
"""Machines, cores per set, and every which set is used."""


@cache
def drawn(name: str) -> Drawn:
    make, size, every = MACHINES[name]
    machine = make()
    if size is None:
        return machine, None, {}
    parts = cut(machine, size)
    return machine, parts, used(parts, every)


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    def compare(name: str, shown: str) -> None:
        path = GOLDEN / name
        if os.environ.get("NUMALOCAL_GOLDEN") == "write":
            path.write_text(shown + "\n", encoding="utf-8")
        assert shown + "\n" == path.read_text(encoding="utf-8")

    return compare
