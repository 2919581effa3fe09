"""Cut a machine into CPU sets: Machine + pools -> Partition."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from numalocal.errors import PoolUnmet
from numalocal.idset import IdSet, union
from numalocal.machine.model import Core, Machine
from numalocal.quantity import format_bytes
from numalocal.sets import doubts
from numalocal.sets.cpusets import CpuSet, device_id, in_rank_order
from numalocal.sets.cutting import Run, cores_to_cut, free_cores, runs, without
from numalocal.sets.memory import Memory, deal
from numalocal.sets.pools import Pool


@dataclass(frozen=True)
class Partition:
    """A machine cut up by its pools.

    `sets` are sorted by node and lowest CPU; `shared` are the CPUs in no set that are online and
    allowed, empty only where a pool reserves none or the process may use one core.  `notes` say
    what of the pools does not suit this machine, a sentence each.
    """

    pools: tuple[Pool, ...]
    sets: tuple[CpuSet, ...]
    shared: IdSet
    notes: tuple[str, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, CpuSet]:
        """All sets by their ids, in their order."""
        return {one.id: one for one in self.sets}

    def of_pool(self, pool: str) -> tuple[CpuSet, ...]:
        """List the sets of one pool, by node and lowest CPU."""
        return tuple(one for one in self.sets if one.pool == pool)

    def pool(self, name: str) -> Pool:
        """Find a pool by its name; KeyError where there is none."""
        return {pool.name: pool for pool in self.pools}[name]


class _Cut(NamedTuple):
    """The cores of one set, as if all of them were online."""

    pool: Pool
    cores: Run

    def is_broken(self, gone: Iterable[Core]) -> bool:
        """Tell whether it cannot be given without these: a set of so many cores needs them all."""
        return isinstance(self.pool.size, int) and any(core in self.cores for core in gone)


def partition(machine: Machine, pools: Sequence[Pool]) -> Partition:
    """Give every pool its sets, in the order of the pools, and leave the rest shared.

    Sets are disjoint, hold whole cores of one NUMA node, and stay within one L3 cache (one book on
    s390x) as far as they fit.  Several pools share a node: each takes as many sets as
    fit into what the ones before it left.

    Only what the process may use is cut.  An offline CPU is cut as if it were online, so that no
    set is renamed by it.  Sets of a number of cores hold while each core has an online CPU, those
    of `numa` and `l3` are what is online of them.  Where a reserved core is offline, the lowest
    that breaks no set stays shared in its stead.  The only core of a node that a process may use is
    not reserved: others have theirs.

    Raises:
        PoolUnmet: where a pool gets no set at all, its memory exceeds a node's, or no CPU is left
            shared; with the machine's numbers.
    """
    ids = [node.id for node in machine.nodes]
    memory = deal(machine, [node for node in ids if any(pool.cuts(node) for pool in pools)])
    sets: list[CpuSet] = []
    for node in ids:
        if memory.nodes_of[node]:
            sets += _sets_on(node, [pool for pool in pools if pool.cuts(node)], machine, memory)
    for pool in pools:
        if not any(one.pool == pool.name for one in sets):
            raise PoolUnmet(doubts.unmet(pool, machine, memory))
    _check_memory(machine, sets)
    given = union(one.cpus for one in sets)
    if machine.online <= given and all(pool.reserve for pool in pools):
        raise PoolUnmet("no online CPU is left shared; raise pools[].reserve")
    return Partition(
        pools=tuple(pools),
        sets=in_rank_order(sets),
        shared=machine.allowed - given,
        notes=doubts.notes(pools, machine),
    )


def _sets_on(node: int, pools: Sequence[Pool], machine: Machine, memory: Memory) -> list[CpuSet]:
    """Cut one node for the pools that cut it."""
    cores = cores_to_cut(machine, node)
    reserve = max((pool.reserve for pool in pools), default=0)
    if not machine.node(node).cpus & machine.online <= machine.allowed:  # others have the rest
        reserve = min(reserve, max(0, len(cores) - 1))
    free = free_cores(machine, cores, reserve)
    reserved = set(cores) - {core for one in free for core in one.cores}
    cuts: list[_Cut] = []
    for pool in pools:
        cut = list(runs(pool, free))
        free = without(free, [core.cpus for run in cut for core in run])
        cuts += [_Cut(pool, run) for run in cut]
    kept = _stand_ins(machine, cores, reserved, cuts)
    return [_cpu_set(one, node, kept, machine, memory) for one in cuts]


def _stand_ins(
    machine: Machine, cores: Run, reserved: Collection[Core], cuts: Sequence[_Cut]
) -> frozenset[Core]:
    """Choose the cores that stay shared for reserved ones that are offline, the lowest first.

    Cores whose sets would not hold without them come last.
    """
    gone = {core for core in cores if core.cpus.isdisjoint(machine.allowed)}
    chosen: list[Core] = []
    left = [core for core in cores if core not in gone and core not in reserved]
    for _ in range(min(len(gone.intersection(reserved)), len(left))):
        whole = [one for one in cuts if not one.is_broken([*gone, *chosen])]
        needed = {core for one in whole if one.is_broken(one.cores) for core in one.cores}
        chosen.append(min(left, key=lambda core: (core in needed, core.cpus.first)))
        left.remove(chosen[-1])
    return frozenset(chosen)


def _cpu_set(
    cut: _Cut, node: int, kept: frozenset[Core], machine: Machine, memory: Memory
) -> CpuSet:
    """Make a set of what its cores have online, less those that are kept shared."""
    present = union(core.cpus for core in cut.cores)
    given = [
        core for core in cut.cores if core not in kept and not core.cpus.isdisjoint(machine.allowed)
    ]
    gone = [core for core in cut.cores if core not in given]
    holds = given and not cut.is_broken(gone)
    share = memory.share_bytes(node, len(given))
    return CpuSet(
        id=device_id(cut.pool.name, node, present),
        pool=cut.pool.name,
        cpus=union(core.cpus for core in given) & machine.allowed,
        present=present,
        missing=IdSet() if holds else union(core.cpus for core in gone),
        numa_node=node,
        memory_nodes=memory.nodes_of[node],
        memory_bytes=share if cut.pool.memory_bytes is None else cut.pool.memory_bytes,
        threads_per_core=cut.pool.threads_per_core,
    )


def _check_memory(machine: Machine, sets: Sequence[CpuSet]) -> None:
    """Compare what sets are promised with what the nodes have that they take it from, together."""
    nodes = {node.id: node for node in machine.nodes}
    for sources in dict.fromkeys(one.memory_nodes for one in sets):
        promised = sum(one.memory_bytes for one in sets if one.memory_nodes <= sources)
        usable = sum(nodes[source].usable_memory_bytes for source in sources)
        known = all(nodes[source].memory_bytes is not None for source in sources)
        if known and promised > usable:
            takers = IdSet.of(one.numa_node for one in sets if one.memory_nodes <= sources)
            plural = "s" if len(takers) > 1 else ""
            lent = "it has" if takers == sources else f"NUMA node {sources} has"
            raise PoolUnmet(
                f"the sets on NUMA node{plural} {takers} are promised {format_bytes(promised)} "
                f"and {lent} {format_bytes(usable)} besides huge pages; lower pools[].memory"
            )
