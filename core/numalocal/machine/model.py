"""The model of one machine: logical CPUs, cores and NUMA nodes, as the kernel numbers them.

The values are named tuples where others of this package are dataclasses: `numalocal topology` is a
short process, and dataclasses would be the longest part of its start.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Final, Literal, NamedTuple

from numalocal.idset import IdSet, union

Kind = Literal["performance", "efficiency"]

KINDS: Final[tuple[Kind, ...]] = ("performance", "efficiency")
"""Kinds of cores on a hybrid machine, fastest first."""

_LOCAL_DISTANCE: Final = 10
"""To a node itself: the kernel's, as firmware has it (ACPI SLIT)."""
_REMOTE_DISTANCE: Final = 20


class Finding(NamedTuple):
    """What does not fit together in the kernel's files, and what was made of it.

    `path` is the file, absolute under the root that was read.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class Core(NamedTuple):
    """One physical core, keyed by (package, core): `core_id` alone repeats on every package.

    `cpus` are its SMT siblings that are present, online or not.  `package` and `core` mirror
    /sys/devices/system/cpu/cpuN/topology/{physical_package_id,core_id}; where the kernel gives
    none, `package` is None and `core` the lowest sibling's id.  `numa_nodes` are the nodes that
    any of its CPUs belongs to: one, unless the firmware is broken.  `kind` is None where all cores
    of the machine are alike.
    """

    package: int | None
    core: int
    cpus: IdSet
    numa_nodes: IdSet
    kind: Kind | None = None

    @property
    def numa_node(self) -> int | None:
        """Its node; None where it belongs to none or to several."""
        return self.numa_nodes.first if len(self.numa_nodes) == 1 else None


class Package(NamedTuple):
    """One package (socket): `id` is physical_package_id, None where the kernel gives none.

    `cpus` are online.
    """

    id: int | None
    cpus: IdSet


class CoreKind(NamedTuple):
    """CPUs of one speed on a hybrid machine.

    `capacity` mirrors cpuN/cpu_capacity (1024 = the fastest) and `base_khz`
    cpuN/cpufreq/base_frequency; None where the kernel gives none.
    """

    kind: Kind
    cpus: IdSet
    capacity: int | None
    base_khz: int | None


class NumaNode(NamedTuple):
    """One NUMA node, from /sys/devices/system/node/nodeN.

    `cpus` are its online CPUs, empty for memory-only nodes (HBM, CXL).  `memory_bytes` is MemTotal,
    None where the kernel does not tell, and `huge_page_bytes` the part of it set aside as huge
    pages, which ordinary memory cannot use.  `distances` maps node ids to the distance from this
    one (10 = local), empty where the kernel gives none.  `device_memory` marks memory that a driver
    brought for its device, as a GPU's: no set takes any of it.  `movable` marks memory that the
    kernel can keep nothing of its own in, as dax brings it from CXL or HBM: a process that had no
    other could not do what the kernel must remember for it.
    """

    id: int
    cpus: IdSet
    memory_bytes: int | None
    distances: Mapping[int, int]
    huge_page_bytes: int = 0
    device_memory: bool = False
    movable: bool = False

    def distance(self, other: int) -> int:
        """Give the distance to a node; the kernel's default where it tells none."""
        return self.distances.get(other, _LOCAL_DISTANCE if other == self.id else _REMOTE_DISTANCE)

    @property
    def usable_memory_bytes(self) -> int:
        """Memory that ordinary allocations can use; 0 where the kernel does not tell."""
        return max(0, (self.memory_bytes or 0) - self.huge_page_bytes)

    @property
    def lends_memory(self) -> bool:
        """Whether whoever asks for it may take it."""
        return self.usable_memory_bytes > 0 and not self.device_memory

    @property
    def suffices(self) -> bool:
        """Whether sets whose own node has no memory may take this one's alone."""
        return self.lends_memory and not self.movable


class CpuQuota(NamedTuple):
    """The CPU time that a cgroup gives in every period; `path` is the file that says so."""

    path: str
    quota_us: int
    period_us: int

    @property
    def whole_cpus(self) -> int:
        """How many threads may compute without a pause; 1 where it is less than a CPU."""
        return max(1, self.quota_us // self.period_us)

    def __str__(self) -> str:
        cpus = f"{self.quota_us / self.period_us:.2f}".rstrip("0").rstrip(".")
        return f"{cpus} CPU{'' if cpus == '1' else 's'}"


class MemoryLimit(NamedTuple):
    """What a cgroup may use, and what is left of it now; `path` is the file that says so."""

    path: str
    limit_bytes: int
    left_bytes: int


class Limits(NamedTuple):
    """The tightest limits of the cgroups above the reading process; None = not limited.

    `container_bytes` is memory.max (version 1: memory.limit_in_bytes) of the cgroup that is
    mounted: the one that engines look at.  `unread` are files of memory limits that say nothing
    that can be used.
    """

    cpu: CpuQuota | None = None
    memory: MemoryLimit | None = None
    container_bytes: int | None = None
    unread: tuple[Finding, ...] = ()


class _Fields(NamedTuple):
    """Of a Machine, which as a named tuple itself could remember nothing."""

    online: IdSet
    allowed: IdSet
    allowed_nodes: IdSet
    packages: tuple[Package, ...]
    cores: tuple[Core, ...]
    nodes: tuple[NumaNode, ...]
    offline: IdSet = IdSet()
    cores_known: bool = True
    l3: tuple[IdSet, ...] = ()
    dies: tuple[IdSet, ...] = ()
    clusters: tuple[IdSet, ...] = ()
    books: tuple[IdSet, ...] = ()
    drawers: tuple[IdSet, ...] = ()
    kinds: tuple[CoreKind, ...] = ()
    isolated: IdSet = IdSet()
    nohz_full: IdSet = IdSet()
    architecture: str = ""
    limits: Limits = Limits()
    confined_by: str = ""
    findings: tuple[Finding, ...] = ()


class Machine(_Fields):
    """One machine as its kernel shows it.

    `offline` are CPUs that are present and not online.  `allowed` and `allowed_nodes` are what the
    reading process may use of the online CPUs and the nodes.  `cores` are sorted by their lowest
    CPU, `nodes` by id; a kernel without NUMA has one node, 0, that holds everything.  Without
    `cores_known` every CPU stands for a core.  `packages` is empty where the kernel tells none.

    `l3`, `dies`, `clusters`, `books` and `drawers` (s390x) are sets of online CPUs by lowest CPU;
    a level is empty where the kernel reports none, or none that differs from core and package.
    `kinds` is empty where all cores are alike.  `isolated` are online CPUs between which the kernel
    moves no thread (isolcpus=, isolated cpuset partitions), `nohz_full` those that it spares its
    tick; allowed or not.  `architecture` is `uname -m`, or empty where it is not known.  `limits`
    are what cgroups leave to the reading process; `confined_by` is the file by which it may not run
    on all online CPUs, empty where it may.  `findings` tell what is inconsistent.
    """

    @property
    def confinement(self) -> str:
        """Say on which CPUs alone the reading process may run; empty where it may on all online."""
        if self.online <= self.allowed:
            return ""
        by = f" ({self.confined_by})" if self.confined_by else ""
        return f"this process may run on CPU {self.allowed or 'none'} only{by}"

    def unconfined(self) -> "Machine":
        """Give the machine as a process sees it that may use all of it."""
        nodes = IdSet.of(node.id for node in self.nodes)
        return self._replace(allowed=self.online, allowed_nodes=nodes)

    def with_online(self, online: IdSet) -> "Machine":
        """Give the machine with other CPUs online, of those that are present.

        Of `nodes`, `packages`, caches and kinds nothing is read anew: what was offline is on none.
        """
        present = self.online | self.offline
        confined = self.allowed != self.online
        return self._replace(
            online=online & present,
            offline=present - online,
            allowed=online & (self.allowed if confined else present),
        )

    def cores_of(self, node: int) -> tuple[Core, ...]:
        """List the cores that belong to this node alone, by lowest CPU."""
        return tuple(core for core in self.cores if core.numa_node == node)

    def cores_of_cpus(self, cpus: IdSet) -> tuple[Core, ...]:
        """List the cores that have any of these CPUs, by lowest CPU."""
        at = self._core_at
        return tuple(self.cores[one] for one in sorted({at[cpu] for cpu in cpus if cpu in at}))

    @cached_property
    def _core_at(self) -> Mapping[int, int]:
        """Where in `cores` each CPU is found: it is asked for every rank of every container."""
        return {cpu: at for at, core in enumerate(self.cores) for cpu in core.cpus}

    @cached_property
    def places(self) -> frozenset[tuple[int | None, IdSet]]:
        """The packages and nodes that cores are of, each pair once."""
        return frozenset((core.package, core.numa_nodes) for core in self.cores)

    @property
    def cpu_nodes(self) -> IdSet:
        """The nodes that any CPU belongs to, online or not; the others are memory only."""
        return union(nodes for _, nodes in self.places)

    def node(self, node: int) -> NumaNode:
        """Find a node by its id; KeyError where there is none."""
        for candidate in self.nodes:
            if candidate.id == node:
                return candidate
        raise KeyError(node)

    @property
    def localities(self) -> tuple[IdSet, ...]:
        """CPUs that are nearer to each other than to the rest of their node, by lowest CPU.

        They share an L3 cache; where the kernel reports none, a book (s390x).
        """
        return self.l3 or self.books
