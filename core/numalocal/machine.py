"""The model of one machine: logical CPUs, cores and NUMA nodes, as the kernel numbers them."""

from collections.abc import Mapping
from dataclasses import dataclass

from numalocal.idset import IdSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """One physical core, keyed by (package, core): `core_id` alone repeats on every package.

    `cpus` are its online SMT siblings.  `package` and `core` mirror
    /sys/devices/system/cpu/cpuN/topology/{physical_package_id,core_id}; where the kernel gives
    none, `core` is the lowest sibling's id.
    """

    package: int
    core: int
    cpus: IdSet
    numa_node: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NumaNode:
    """One NUMA node, from /sys/devices/system/node/nodeN.

    `cpus` are its online CPUs, empty for memory-only nodes.  `memory_bytes` is MemTotal and
    `huge_page_bytes` the part of it set aside as huge pages, which ordinary memory cannot use.
    `distances` maps every node id to the distance from this one (10 = local).
    """

    id: int
    cpus: IdSet
    memory_bytes: int
    huge_page_bytes: int
    distances: Mapping[int, int]

    @property
    def usable_memory_bytes(self) -> int:
        """Memory that ordinary allocations can use."""
        return max(0, self.memory_bytes - self.huge_page_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine as its kernel shows it.

    `cores` are sorted by their lowest CPU, `nodes` by id.  A kernel without NUMA has one node, 0,
    that holds everything.  `architecture` is `uname -m`, or empty where it is not known.
    """

    online: IdSet
    cores: tuple[Core, ...]
    nodes: tuple[NumaNode, ...]
    architecture: str = ""

    def cores_of(self, node: int) -> tuple[Core, ...]:
        """List a node's cores by lowest CPU."""
        return tuple(core for core in self.cores if core.numa_node == node)

    def cores_within(self, cpus: IdSet) -> tuple[Core, ...]:
        """List the cores that have all their CPUs in the set given, by lowest CPU."""
        return tuple(core for core in self.cores if core.cpus <= cpus)

    def node(self, node: int) -> NumaNode:
        """Find a node by its id; KeyError where there is none."""
        for candidate in self.nodes:
            if candidate.id == node:
                return candidate
        raise KeyError(node)

    @property
    def packages(self) -> tuple[int, ...]:
        """The package ids, ascending."""
        return tuple(sorted({core.package for core in self.cores}))
