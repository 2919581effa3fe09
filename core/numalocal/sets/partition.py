"""Cut a machine into CPU sets: Machine + pools -> Partition."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from numalocal.errors import PoolUnmet
from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine, NumaNode
from numalocal.quantity import format_bytes
from numalocal.sets.cpusets import CpuSet, device_id, in_rank_order
from numalocal.sets.cutting import Run, free_groups, runs, without
from numalocal.sets.pools import NODE_SIZE, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A machine cut up by its pools.

    `sets` are sorted by node and lowest CPU; `shared` are the online CPUs in no set, empty only
    where a pool reserves none.
    """

    pools: tuple[Pool, ...]
    sets: tuple[CpuSet, ...]
    shared: IdSet

    def of_pool(self, pool: str) -> tuple[CpuSet, ...]:
        """List the sets of one pool, by node and lowest CPU."""
        return tuple(one for one in self.sets if one.pool == pool)

    def pool(self, name: str) -> Pool:
        """Find a pool by its name; KeyError where there is none."""
        return {pool.name: pool for pool in self.pools}[name]


def partition(machine: Machine, pools: Sequence[Pool]) -> Partition:
    """Give every pool its sets, in the order of the pools, and leave the rest shared.

    Sets are disjoint, hold whole cores of one NUMA node, and stay within one L3 cache (one book on
    s390x) as far as they fit.  Several pools share a node: each takes as many sets as
    fit into what the ones before it left.  An offline CPU is cut as if it were online, so that no
    set is renamed by it.

    Raises:
        PoolUnmet: where a pool gets no set at all, its memory exceeds a node's, or no CPU is left
            shared; with the machine's numbers.
    """
    free = {node.id: free_groups(machine, node, _reserve(node, pools)) for node in machine.nodes}
    sets: list[CpuSet] = []
    for pool in pools:
        before = len(sets)
        for node in _nodes_of(pool, machine):
            cut = list(runs(pool, free[node.id]))
            free[node.id] = without(free[node.id], [core.cpus for run in cut for core in run])
            sets += [_cpu_set(pool, node, run, machine) for run in cut]
        if len(sets) == before:
            raise PoolUnmet(_unmet(pool, machine))
    _check_memory(machine, sets)
    shared = machine.online - union(one.cpus for one in sets)
    if not shared and all(pool.reserve for pool in pools):
        raise PoolUnmet("no online CPU is left shared; raise pools[].reserve")
    return Partition(pools=tuple(pools), sets=in_rank_order(sets), shared=shared)


def _reserve(node: NumaNode, pools: Iterable[Pool]) -> int:
    cutting = (pool.reserve for pool in pools if pool.nodes is None or node.id in pool.nodes)
    return max(cutting, default=0)


def _nodes_of(pool: Pool, machine: Machine) -> list[NumaNode]:
    return [node for node in machine.nodes if pool.nodes is None or node.id in pool.nodes]


def _cpu_set(pool: Pool, node: NumaNode, run: Run, machine: Machine) -> CpuSet:
    cpus = union(core.cpus for core in run)
    share = node.usable_memory_bytes * len(run) // len(machine.cores_of(node.id))
    return CpuSet(
        id=device_id(pool.name, node.id, cpus),
        pool=pool.name,
        cpus=cpus,
        numa_node=node.id,
        memory_bytes=share if pool.memory_bytes is None else pool.memory_bytes,
        threads_per_core=pool.threads_per_core,
    )


def _check_memory(machine: Machine, sets: Iterable[CpuSet]) -> None:
    promised: dict[int, int] = defaultdict(int)
    for one in sets:
        promised[one.numa_node] += one.memory_bytes
    for node in machine.nodes:
        if node.memory_bytes is not None and promised[node.id] > node.usable_memory_bytes:
            raise PoolUnmet(
                f"the sets on NUMA node {node.id} are promised {format_bytes(promised[node.id])} "
                f"and it has {format_bytes(node.usable_memory_bytes)} besides huge pages; "
                "lower pools[].memory"
            )


def _unmet(pool: Pool, machine: Machine) -> str:
    """Say why a pool gets no set: what it wants, and what each of its nodes has."""
    nodes = _nodes_of(pool, machine)
    if not nodes:
        there = IdSet.of(node.id for node in machine.nodes)
        return f"pool {pool.name}: NUMA nodes {pool.nodes} are not in this machine (it has {there})"
    numbers = _cores_of(machine, nodes)
    reserved = f"besides {pool.reserve} reserved and other pools' (cores: {numbers})"
    kind = f"{pool.core_kind} " if pool.core_kind else ""
    match pool.size:
        case "l3" if not machine.localities:
            return (
                f"pool {pool.name}: the kernel reports no L3 cache on this machine; "
                f"use size: {NODE_SIZE} or a number of cores"
            )
        case "numa" | "l3":
            wanted = f"at least 1 {kind}core"
        case size:
            wanted = f"{size} {kind}cores"
    return (
        f"pool {pool.name}: no NUMA node has {wanted} left {reserved}; "
        "use a smaller size or reserve, or another machine"
    )


def _cores_of(machine: Machine, nodes: Iterable[NumaNode]) -> str:
    """Say how many cores nodes have, those with as many together: `nodes 0-3 have 16`."""
    alike: dict[str, list[int]] = defaultdict(list)
    for node in nodes:
        cores = len(machine.cores_of(node.id))
        alike[f"{cores} but no memory" if node.memory_bytes == 0 else f"{cores}"].append(node.id)
    return ", ".join(
        f"node {ids[0]} has {cores}" if len(ids) == 1 else f"nodes {IdSet.of(ids)} have {cores}"
        for cores, ids in alike.items()
    )
