"""What of the pools does not suit a machine: the reason to refuse them, or what to note."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from numalocal.idset import IdSet
from numalocal.machine.model import KINDS, Machine, NumaNode
from numalocal.sets.cutting import cores_to_cut
from numalocal.sets.memory import Memory
from numalocal.sets.pools import L3_SIZE, NODE_SIZE, Pool

_ONE_KIND: Final = "all cores of this machine are of one kind"


def notes(pools: Sequence[Pool], machine: Machine) -> tuple[str, ...]:
    """Say what of pools is cut otherwise than it reads, a sentence each."""
    return tuple(note for pool in pools for note in _notes(pool, machine))


def _notes(pool: Pool, machine: Machine) -> Iterator[str]:
    there = _there(machine)
    if pool.nodes is not None and (absent := pool.nodes - there):
        yield (
            f"pool {pool.name}: nodes {absent} are not in this machine (it has {there}); "
            f"of its nodes only {pool.nodes & there} is cut"
        )
    if pool.core_kind is not None and not any(core.kind for core in machine.cores):
        yield f"pool {pool.name}: coreKind {pool.core_kind} takes all cores, as {_ONE_KIND}"
    most = max((len(core.cpus) for core in machine.cores), default=1)
    if pool.threads_per_core is not None and pool.threads_per_core > most:
        yield (
            f"pool {pool.name}: threadsPerCore is {pool.threads_per_core}, and no core of this "
            f"machine has more than {most}"
        )


def unmet(pool: Pool, machine: Machine, memory: Memory) -> str:
    """Say why a pool gets no set: what it wants, and what each of its nodes has."""
    nodes = [node for node in machine.nodes if pool.cuts(node.id)]
    if why := _impossible(pool, machine):
        return f"pool {pool.name}: {why}"
    kind = f"{pool.core_kind} " if pool.core_kind else ""
    wanted = f"{pool.size} {kind}cores" if isinstance(pool.size, int) else f"at least 1 {kind}core"
    return (
        f"pool {pool.name}: no NUMA node has {wanted} left besides {pool.reserve} reserved and "
        f"other pools' (cores: {_cores_of(machine, nodes, memory)}); use a smaller size or "
        "reserve, or another machine"
    )


def _impossible(pool: Pool, machine: Machine) -> str:
    """Say what no machine of this kind has, however many cores; empty where it is not that."""
    if not machine.nodes:
        return "no NUMA node of this machine is known"
    if not any(pool.cuts(node.id) for node in machine.nodes):
        return f"NUMA nodes {pool.nodes} are not in this machine (it has {_there(machine)})"
    if pool.core_kind == KINDS[1] and not any(core.kind for core in machine.cores):
        return f"coreKind is {pool.core_kind}, and {_ONE_KIND}; leave it out"
    if pool.size == L3_SIZE and not machine.localities:
        return (
            "the kernel reports no L3 cache on this machine; "
            f"use size: {NODE_SIZE} or a number of cores"
        )
    return ""


def _there(machine: Machine) -> IdSet:
    return IdSet.of(node.id for node in machine.nodes)


def _cores_of(machine: Machine, nodes: Iterable[NumaNode], memory: Memory) -> str:
    """Say how many cores nodes have, those with as many together: `nodes 0-3 have 16`."""
    alike: dict[str, list[int]] = defaultdict(list)
    for node in nodes:
        cores, allowed = machine.cores_of(node.id), cores_to_cut(machine, node.id)
        said = f"{len(cores)}"
        if len(allowed) < len(cores):
            said += f", {len(allowed)} of them allowed to this process"
        if not memory.nodes_of[node.id]:
            said += " but no memory"
        alike[said].append(node.id)
    return ", ".join(
        f"node {ids[0]} has {cores}" if len(ids) == 1 else f"nodes {IdSet.of(ids)} have {cores}"
        for cores, ids in alike.items()
    )
