"""What a simulated machine is made of, and where that puts its CPUs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

GIB = 1 << 30
EFFICIENCY_CLUSTER = 4
"""Efficiency cores that share an L2 cache, on every x86 machine so far."""

Architecture = Literal["x86_64", "aarch64", "ppc64le", "s390x"]
Level = Literal["core", "cluster", "l3", "die", "package", "node", "book", "drawer"]


def ten_or_twenty(one: int, other: int) -> int:
    """Give the distances of firmware that has no table of them."""
    return 10 if one == other else 20


@dataclass(frozen=True)
class SimulatedCore:
    """A core by its number in the machine and that of its group on every level, from 0."""

    place: dict[Level, int]
    cpus: tuple[int, ...]
    efficient: bool = False


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """A regular machine; packages, nodes and cores are in order, ids only where given.

    `numbering` puts sibling t of core c at c * threads + t ("adjacent": POWER, s390x, QEMU) or at
    t * cores + c ("far": x86).  Efficiency cores have one thread and follow all others, on the
    last node.  `l3_cores` share an L3 cache, `cluster_cores` an L2; None: none is reported.
    Nodes with memory alone follow those with CPUs.  `distances` is asked with node numbers.
    `huge_pages` are pairs of size in KiB and count, for each node with CPUs.
    """

    packages: int
    cores_per_node: int
    nodes_per_package: int = 1
    threads: int = 1
    numbering: Literal["adjacent", "far"] = "far"
    efficiency_cores: int = 0
    base_khz: tuple[int, int] = (2_100_000, 1_500_000)
    l3_cores: int | None = None
    cluster_cores: int = 1
    dies_per_package: int = 1
    packages_per_book: int | None = None
    books_per_drawer: int = 1
    package_ids: tuple[int, ...] = ()
    numa: bool = True
    node_ids: tuple[int, ...] = ()
    memory_bytes: int = 64 * GIB
    memory_only: tuple[int, ...] = ()
    huge_pages: tuple[tuple[int, int], ...] = ()
    distances: Callable[[int, int], int] = ten_or_twenty
    architecture: Architecture = "x86_64"
    offline: frozenset[int] = frozenset()

    @cached_property
    def cores(self) -> tuple[SimulatedCore, ...]:
        regular = self.packages * self.nodes_per_package * self.cores_per_node
        smt = (self._core(core, regular) for core in range(regular))
        small = (self._efficiency_core(core, regular) for core in range(self.efficiency_cores))
        return (*smt, *small)

    @property
    def cpus(self) -> range:
        return range(sum(len(core.cpus) for core in self.cores))

    @property
    def online(self) -> list[int]:
        return [cpu for cpu in self.cpus if cpu not in self.offline]

    @property
    def memory(self) -> dict[int, int]:
        """Bytes by node id."""
        held = (self.memory_bytes,) * (self.packages * self.nodes_per_package) + self.memory_only
        return dict(zip(self.node_ids or range(len(held)), held, strict=True))

    def members(self, level: Level) -> dict[int, list[int]]:
        """Give the online CPUs of every group of a level, by its number."""
        found: dict[int, list[int]] = {core.place[level]: [] for core in self.cores}
        for core in self.cores:
            found[core.place[level]] += [cpu for cpu in core.cpus if cpu not in self.offline]
        return {number: sorted(cpus) for number, cpus in found.items()}

    def package_id(self, core: SimulatedCore) -> int:
        number = core.place["package"]
        return self.package_ids[number] if self.package_ids else number

    def node_id(self, core: SimulatedCore) -> int:
        return list(self.memory)[core.place["node"]]

    def _core(self, core: int, cores: int) -> SimulatedCore:
        far = self.numbering == "far"
        cpus = (t * cores + core if far else core * self.threads + t for t in range(self.threads))
        return SimulatedCore(
            place=self._place(core, core // self.cores_per_node, core // self.cluster_cores),
            cpus=tuple(cpus),
        )

    def _efficiency_core(self, core: int, before: int) -> SimulatedCore:
        node = self.packages * self.nodes_per_package - 1
        cluster = before // self.cluster_cores + core // EFFICIENCY_CLUSTER
        return SimulatedCore(
            place=self._place(before + core, node, cluster),
            cpus=(before * self.threads + core,),
            efficient=True,
        )

    def _place(self, core: int, node: int, cluster: int) -> dict[Level, int]:
        package = node // self.nodes_per_package
        book = package // (self.packages_per_book or self.packages)
        return {
            "core": core,
            "cluster": cluster,
            "l3": core // (self.l3_cores or 1),
            "die": node * self.dies_per_package // self.nodes_per_package,
            "package": package,
            "node": node,
            "book": book,
            "drawer": book // self.books_per_drawer,
        }
