"""Machines for the core's tests: small values, and real captures where a test asks for one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from numalocal.idset import IdSet
from numalocal.machine.model import Core, Machine, NumaNode, Package

GIB = 1 << 30
EXAMPLES = Path(__file__).parents[2] / "examples"

MachineMaker = Callable[..., Machine]


def make_machine(
    *,
    nodes: int = 2,
    cores: int = 2,
    threads: int = 2,
    l3: int | None = None,
    memory_bytes: int = 8 * GIB,
) -> Machine:
    """Build a machine as QEMU numbers it: nodes, cores and threads in ascending order.

    `l3` cores of a node share a cache; the last cache of a node may have fewer.
    """
    per_node = cores * threads
    made: list[Core] = []
    for node in range(nodes):
        for core in range(cores):
            first = node * per_node + core * threads
            cpus = IdSet.of(range(first, first + threads))
            made.append(Core(package=node, core=core, cpus=cpus, numa_nodes=IdSet.of([node])))
    return Machine(
        online=IdSet.of(range(nodes * per_node)),
        allowed=IdSet.of(range(nodes * per_node)),
        allowed_nodes=IdSet.of(range(nodes)),
        packages=tuple(
            Package(id=node, cpus=IdSet.of(range(node * per_node, (node + 1) * per_node)))
            for node in range(nodes)
        ),
        cores=tuple(made),
        nodes=tuple(
            NumaNode(
                id=node,
                cpus=IdSet.of(range(node * per_node, (node + 1) * per_node)),
                memory_bytes=memory_bytes,
                distances={other: 10 if other == node else 20 for other in range(nodes)},
            )
            for node in range(nodes)
        ),
        l3=tuple(
            IdSet.of(range(start, min(start + l3 * threads, (node + 1) * per_node)))
            for node in range(nodes)
            for start in range(node * per_node, (node + 1) * per_node, l3 * threads)
        )
        if l3
        else (),
        architecture="x86_64",
    )


@pytest.fixture
def machine() -> MachineMaker:
    return make_machine
