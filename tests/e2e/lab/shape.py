"""The node's machine as QEMU's arguments: any NUMA shape, under software emulation."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_SAME_PACKAGE: Final = 12
_OTHER_PACKAGE: Final = 20
_MEMORY_BESIDE: Final = 14
_MEMORY_BEYOND: Final = 24
"""Distances, as firmware tells them of real machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Packages of dies, all alike; CPUs are numbered die by die, core by core.

    `nodes` has the number of dies of each NUMA node, in order, none across two packages.  A node
    of no dies has memory alone and stands beside the first package, as a CXL card does.
    """

    packages: int = 2
    dies_per_package: int = 1
    cores_per_die: int = 2
    threads_per_core: int = 2
    nodes: tuple[int, ...] = (1, 1)
    memory_mib_per_node: int = 1536

    @property
    def cpus(self) -> int:
        """Number of logical CPUs."""
        return self.packages * self.dies_per_package * self.cpus_per_die

    @property
    def cpus_per_die(self) -> int:
        """Number of logical CPUs of one die."""
        return self.cores_per_die * self.threads_per_core


TWO_NODES: Final = Shape()
SHAPES: Final = {
    "two": TWO_NODES,
    "memory-only": Shape(
        dies_per_package=2, threads_per_core=1, nodes=(1, 1, 2, 0), memory_mib_per_node=1024
    ),
    "eight": Shape(dies_per_package=4, threads_per_core=1, nodes=(1,) * 8, memory_mib_per_node=512),
    "one": Shape(packages=1, cores_per_die=4, nodes=(1,), memory_mib_per_node=3072),
}
"""The first is the node's where nothing is said."""


def arguments(shape: Shape) -> list[str]:
    """Give QEMU's accelerator, CPU, memory and NUMA arguments."""
    smp = f"{shape.cpus},sockets={shape.packages},dies={shape.dies_per_package},"
    smp += f"cores={shape.cores_per_die},threads={shape.threads_per_core}"
    made = ["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max,topoext=on", "-smp", smp]
    made += ["-m", f"{len(shape.nodes) * shape.memory_mib_per_node}M"]
    for node, (first, dies) in enumerate(_dies(shape)):
        last = (first + dies) * shape.cpus_per_die - 1
        cpus = f"cpus={first * shape.cpus_per_die}-{last}," if dies else ""
        size = f"size={shape.memory_mib_per_node}M"
        made += ["-object", f"memory-backend-ram,id=ram{node},{size}"]
        made += ["-numa", f"node,nodeid={node},{cpus}memdev=ram{node}"]
    for source in range(len(shape.nodes)):
        for target in range(source + 1, len(shape.nodes)):
            distance = _distance(shape, source, target)
            made += ["-numa", f"dist,src={source},dst={target},val={distance}"]
    return made


def _dies(shape: Shape) -> Iterator[tuple[int, int]]:
    """Give each node's first die, and how many it has."""
    first = 0
    for dies in shape.nodes:
        yield first, dies
        first += dies


def _distance(shape: Shape, source: int, target: int) -> int:
    packages = [first // shape.dies_per_package if dies else None for first, dies in _dies(shape)]
    one, other = packages[source], packages[target]
    if one is None or other is None:
        with_cpus = other if one is None else one
        return _MEMORY_BEYOND if with_cpus else _MEMORY_BESIDE
    return _SAME_PACKAGE if one == other else _OTHER_PACKAGE
