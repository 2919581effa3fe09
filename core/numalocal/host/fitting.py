"""Which CPU sets a worker can have, so that the memory of all its ranks fits."""

from collections.abc import Collection, Iterable, Mapping

from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.quantity import format_bytes
from numalocal.sets import capacity
from numalocal.sets.cpusets import CpuSet
from numalocal.sets.memoryask import MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes, named
from numalocal.sets.partition import Partition
from numalocal.sets.pools import Pool, Preference
from numalocal.sets.preference import prefer
from numalocal.sets.setstate import SetState, state
from numalocal.worker.spec import Worker


def free_sets(worker: Worker, machine: Machine, partition: Partition, held: IdSet) -> list[CpuSet]:
    """List the sets of a worker's pool that it can have; `held` are CPUs of other runs."""
    return [
        one
        for one in partition.of_pool(worker.pool)
        if state(one, machine) is SetState.FREE
        and one.cpus.isdisjoint(held)
        and named(one, machine, worker.memory.nodes)
    ]


def usable_nodes(worker: Worker, machine: Machine, one: CpuSet, *, most: bool = False) -> IdSet:
    """Give the nodes that a rank on a set may have memory of; `most` counts what overflow adds."""
    memory = worker.memory
    every = memory.policy is MemoryPolicy.PREFERRED or (
        most and memory.on_overflow is Overflow.INTERLEAVE
    )
    return named(one, machine, MemoryNodes.ANY if every else memory.nodes)


def pool_notes(worker: Worker, pool: Pool) -> tuple[str, ...]:
    """Say that ranks ask for more than the pool promises to each of its sets."""
    asked, promised = worker.memory_per_rank_bytes or 0, pool.memory_bytes
    if promised is None or asked <= promised:
        return ()
    return (
        f"spec.memory.perRank is {format_bytes(asked)}, and pool {pool.name} promises "
        f"{format_bytes(promised)} to each set (pools[].memory): the rest is other sets' memory",
    )


def share_bytes(
    worker: Worker, machine: Machine, sets: Iterable[CpuSet], available_bytes: Mapping[int, int]
) -> int:
    """Give the memory that each of a replica's ranks has where the worker says none, in bytes.

    It is the least of its sets, less what of their nodes is in use now, and at most an even part of
    what is left of a memory limit.
    """
    total = capacity.usable_bytes(machine)
    now = {node: min(size, available_bytes.get(node, size)) for node, size in total.items()}
    shares = []
    for one in sets:
        has, usable = (sum(of.get(node, 0) for node in one.memory_nodes) for of in (now, total))
        shares.append(one.memory_bytes * has // usable if usable else 0)
    if (limit := machine.limits.memory) is not None:
        shares.append(limit.left_bytes // (worker.replicas * worker.ranks))
    return min(shares)


def fitting_sets(
    worker: Worker,
    machine: Machine,
    partition: Partition,
    free: Collection[CpuSet],
    available_bytes: Mapping[int, int],
) -> list[CpuSet]:
    """List the free sets that memory has a rank for, where all ranks fit, else all free sets.

    First by what is available now, of the nodes where that is told, then by what there is.
    """
    total = capacity.usable_bytes(machine)
    now = {node: min(size, total.get(node, size)) for node, size in available_bytes.items()}
    preference = partition.pool(worker.pool).placement
    ways = (_holding(free, worker, machine, preference, bytes_) for bytes_ in (total | now, total))
    return next(filter(None, ways), list(free))


def _holding(
    free: Collection[CpuSet],
    worker: Worker,
    machine: Machine,
    preference: Preference,
    memory_bytes: Mapping[int, int],
) -> list[CpuSet]:
    """Leave out sets that memory has no rank for; empty where so few are left that not all fit.

    Whatever is chosen of the rest fits, so that each replica can be placed for itself.
    """
    if worker.memory_per_rank_bytes is None:
        return list(free)
    sets_on: dict[IdSet, list[CpuSet]] = {}
    for one in free:
        sets_on.setdefault(usable_nodes(worker, machine, one), []).append(one)
    counts = {nodes: len(sets) for nodes, sets in sets_on.items()}
    held = capacity.slots(counts, memory_bytes, worker.memory_per_rank_bytes)
    if sum(held.values()) < worker.replicas * worker.ranks:
        return []
    return [
        one
        for nodes, sets in sets_on.items()
        for one in prefer(sets, size=held[nodes], machine=machine, placement=preference)
    ]
