"""The CPU set: whole cores of one NUMA node, and memory in proportion."""

from collections.abc import Iterable
from typing import NamedTuple

from numalocal.idset import IdSet


class CpuSet(NamedTuple):
    """One device: what one rank gets.

    `id` is readable, unique across pools and at most 63 characters: see `device_id`.  `cpus` are
    what it gives now: all SMT siblings of its cores that are online and allowed.  `present` are
    these and those that are not, the CPUs that it is named by.  `missing` are the CPUs of cores
    for want of which it cannot be given; empty while it holds.

    `memory_nodes` are where its memory is: its own node, or where that has none, the nearest that
    lend some.  `memory_bytes` is its share of what they have: by cores, or what the pool says.
    `threads_per_core` is the pool's number of compute threads on each core, None = as the
    architecture wants it.
    """

    id: str
    pool: str
    cpus: IdSet
    present: IdSet
    numa_node: int
    memory_nodes: IdSet
    memory_bytes: int
    missing: IdSet = IdSet()
    threads_per_core: int | None = None

    @property
    def place(self) -> tuple[int, IdSet]:
        """Where it is and takes memory from: its own node, and those of its memory."""
        return self.numa_node, self.memory_nodes


def device_id(pool: str, numa_node: int, present: IdSet) -> str:
    """Name a set by its pool, node, lowest CPU and number of CPUs: `cpuset-n0-c2x2`.

    The kubelet keeps the id in its checkpoint, so it must not depend on other sets, on order, or on
    which of the CPUs are online.
    """
    return f"{pool}-n{numa_node}-c{present.first}x{len(present)}"


def in_rank_order(sets: Iterable[CpuSet]) -> tuple[CpuSet, ...]:
    """Sort sets by node and lowest CPU, online or not; the position is the rank.

    The kubelet hands ids over in no order, so the order must come from the sets themselves.
    """
    return tuple(sorted(sets, key=lambda one: (one.numa_node, one.present.first)))


def differing(sets: Iterable[CpuSet]) -> tuple[CpuSet, ...]:
    """Give one set of each place."""
    return tuple({one.place: one for one in sets}.values())
