"""Machines for the core's tests: small values, and real captures where a test asks for one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from numalocal.idset import IdSet
from numalocal.machine import Core, Machine, NumaNode

GIB = 1 << 30
EXAMPLES = Path(__file__).parents[2] / "examples"

MachineMaker = Callable[..., Machine]


def make_machine(
    *, nodes: int = 2, cores: int = 2, threads: int = 2, memory_bytes: int = 8 * GIB
) -> Machine:
    """Build a machine as QEMU numbers it: nodes, cores and threads in ascending order."""
    per_node = cores * threads
    made: list[Core] = []
    for node in range(nodes):
        for core in range(cores):
            first = node * per_node + core * threads
            cpus = IdSet.of(range(first, first + threads))
            made.append(Core(package=node, core=core, cpus=cpus, numa_node=node))
    return Machine(
        online=IdSet.of(range(nodes * per_node)),
        cores=tuple(made),
        nodes=tuple(
            NumaNode(
                id=node,
                cpus=IdSet.of(range(node * per_node, (node + 1) * per_node)),
                memory_bytes=memory_bytes,
                huge_page_bytes=0,
                distances={other: 10 if other == node else 20 for other in range(nodes)},
            )
            for node in range(nodes)
        ),
        architecture="x86_64",
    )


@pytest.fixture
def machine() -> MachineMaker:
    return make_machine
