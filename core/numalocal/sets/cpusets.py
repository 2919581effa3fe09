"""The CPU set: whole cores of one NUMA node and that node's memory in proportion."""

from collections.abc import Iterable
from dataclasses import dataclass

from numalocal.idset import IdSet


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuSet:
    """One device: what one rank gets.

    `id` is readable, unique across pools and at most 63 characters: see `device_id`.
    `cpus` are all SMT siblings of its cores.  `memory_bytes` is its share of the node's usable
    memory: by cores, or what the pool says.  `threads_per_core` is the pool's number of compute
    threads on each core, None = as the architecture wants it.
    """

    id: str
    pool: str
    cpus: IdSet
    numa_node: int
    memory_bytes: int
    threads_per_core: int | None = None


def device_id(pool: str, numa_node: int, cpus: IdSet) -> str:
    """Name a set by its pool, node, lowest CPU and number of CPUs: `cpuset-n0-c2x2`.

    The kubelet keeps the id in its checkpoint, so it must not depend on other sets or on order.
    """
    return f"{pool}-n{numa_node}-c{cpus.first}x{len(cpus)}"


def in_rank_order(sets: Iterable[CpuSet]) -> tuple[CpuSet, ...]:
    """Sort sets by node and lowest CPU; the position is the rank.

    The kubelet hands ids over in no order, so the order must come from the sets themselves.
    """
    return tuple(sorted(sets, key=lambda one: (one.numa_node, one.cpus.first)))
