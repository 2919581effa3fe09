"""Cut a machine into CPU sets: Machine + pools -> Partition."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from numalocal.cpusets import CpuSet, device_id
from numalocal.errors import PoolUnmet
from numalocal.idset import IdSet, union
from numalocal.machine import Core, Machine, NumaNode
from numalocal.pools import NODE_SIZE, Pool


@dataclass(frozen=True, slots=True)
class Partition:
    """A machine cut up: `sets` sorted by node and lowest CPU, `shared` the CPUs in no set."""

    sets: tuple[CpuSet, ...]
    shared: IdSet

    def of_pool(self, pool: str) -> tuple[CpuSet, ...]:
        """List the sets of one pool, by node and lowest CPU."""
        return tuple(one for one in self.sets if one.pool == pool)


def partition(machine: Machine, pools: Sequence[Pool]) -> Partition:
    """Give every pool its sets, in the order of the pools, and leave the rest shared.

    Sets are disjoint, hold whole cores of one NUMA node, and never the reserved cores: the lowest
    ones of each node, so that the kernel's CPU 0 stays shared.  Several pools share a node: each
    takes as many sets as fit into what the ones before it left.

    Raises:
        PoolUnmet: where a pool gets no set at all, with the machine's numbers.
    """
    reserve = max(pool.reserve for pool in pools)
    free = {node.id: list(machine.cores_of(node.id)[reserve:]) for node in machine.nodes}
    sets: list[CpuSet] = []
    for pool in pools:
        cut = [one for node in machine.nodes for one in _cut(node, pool, free[node.id], machine)]
        if not cut:
            raise PoolUnmet(_unmet(pool, machine, reserve))
        sets += cut
    sets.sort(key=lambda one: (one.numa_node, one.cpus.first))
    return Partition(tuple(sets), machine.online - union(one.cpus for one in sets))


def _cut(node: NumaNode, pool: Pool, free: list[Core], machine: Machine) -> Iterator[CpuSet]:
    """Take sets off the front of a node's free cores."""
    size = max(1, len(free)) if pool.size == NODE_SIZE else pool.size
    cores_of_node = len(machine.cores_of(node.id))
    while len(free) >= size:
        taken, free[:] = free[:size], free[size:]
        cpus = union(core.cpus for core in taken)
        yield CpuSet(
            id=device_id(pool.name, node.id, cpus),
            pool=pool.name,
            cpus=cpus,
            numa_node=node.id,
            memory_bytes=node.usable_memory_bytes * size // cores_of_node,
        )


def _unmet(pool: Pool, machine: Machine, reserve: int) -> str:
    numbers = ", ".join(
        f"node {node.id} has {len(machine.cores_of(node.id))}" for node in machine.nodes
    )
    wanted = "at least 1 core" if pool.size == NODE_SIZE else f"{pool.size} cores"
    return (
        f"pool {pool.name}: no NUMA node has {wanted} left besides {reserve} reserved "
        f"(cores: {numbers}); use a smaller size or reserve, or another machine"
    )
