"""Words and numbers as both pictures write them."""

from collections.abc import Iterable, Mapping

from numalocal.idset import IdSet
from numalocal.machine.model import Machine, MemoryLimit
from numalocal.quantity import format_bytes
from numalocal.sets.cpusets import CpuSet
from numalocal.sets.memoryask import MemoryPolicy
from numalocal.sets.partition import Partition
from numalocal.sets.reach import Reach
from numalocal.sets.setstate import why_not


def facts(machine: Machine) -> list[str]:
    """Say what the machine is and has."""
    memory = sum(node.memory_bytes or 0 for node in machine.nodes)
    huge = sum(node.huge_page_bytes for node in machine.nodes)
    said = [
        machine.architecture,
        count(len(machine.packages), "package") if machine.packages else "",
        count(len(machine.nodes), "NUMA node"),
        count(len(machine.cores), "core") if machine.cores_known else "",
        f"{count(len(machine.online), 'CPU')} ({_threads(machine)})",
        format_bytes(memory) if memory else "",
        f"{format_bytes(huge)} of it in huge pages" if huge else "",
    ]
    return [fact for fact in said if fact]


def limits(machine: Machine, partition: Partition | None) -> tuple[tuple[str, str], ...]:
    """Say what is offline, not allowed, isolated, lent or limited: a word, a sentence each."""
    nodes = IdSet.of(node.id for node in machine.nodes)
    offline, allowed = machine.offline, machine.allowed_nodes
    isolated, nohz = machine.isolated, machine.nohz_full
    forbidden = machine.online - machine.allowed
    quota, memory = machine.limits.cpu, machine.limits.memory
    said = (
        ("offline", f"{_cpus(offline)}" if offline else ""),
        ("allowed", f"{_cpus(machine.allowed)} to this process" if forbidden else ""),
        ("allowed", f"memory of {_allowed(allowed)}" if allowed != nodes else ""),
        ("isolated", f"{_cpus(isolated)}: the kernel moves no thread here" if isolated else ""),
        ("nohz", f"{_cpus(nohz)}: no tick while one thread runs" if nohz else ""),
        ("memory", _lent(partition.sets if partition else ())),
        ("limit", f"{quota} in {quota.path}" if quota else ""),
        ("limit", _left(memory) if memory else ""),
    )
    return tuple((word, sentence) for word, sentence in said if sentence)


def _allowed(nodes: IdSet) -> str:
    return node_list(nodes) if nodes else "no node"


def _left(limit: MemoryLimit) -> str:
    left, whole = format_bytes(limit.left_bytes), format_bytes(limit.limit_bytes)
    return f"{left} of memory left of {whole} in {limit.path}"


def use(machine: Machine, one: CpuSet, used_by: Mapping[str, str]) -> str:
    """Say who uses a set, or why nobody can, or that it is free."""
    if one.id in used_by:
        return used_by[one.id]
    why = why_not(one, machine)
    return f"none: {why}" if why else "free"


def memory(one: CpuSet) -> str:
    """Write a set's memory, and whose it is where its own node has none."""
    size = format_bytes(one.memory_bytes)
    if one.memory_nodes == IdSet.of([one.numa_node]):
        return size
    return f"{size} of {node_list(one.memory_nodes)}"


def bound(reach: Reach) -> str:
    """Say on which nodes memory is, and by which policy: `node 0`, `Preferred node 2, then 0-1`."""
    nodes = node_list(reach.named)
    match reach.policy:
        case MemoryPolicy.BIND:
            return nodes
        case MemoryPolicy.PREFERRED:
            return (
                f"Preferred {node_list(reach.policy_nodes)}, then {reach.mems - reach.policy_nodes}"
            )
        case _:
            overflow = " (overflow)" if reach.overflowed else ""
            return f"{reach.policy} over {nodes}{overflow}"


def bound_rank(reach: Reach, rank: int) -> str:
    """Say the same of one rank, whose nodes are its own where no policy joins those of all."""
    return node_list(reach.rank_mems[rank]) if reach.policy is MemoryPolicy.BIND else bound(reach)


def bound_here(reach: Reach) -> str:
    """Say how memory is taken from one of the nodes, behind whose it is."""
    if reach.policy is MemoryPolicy.BIND:
        return ""
    return f", {reach.policy}{' (overflow)' if reach.overflowed else ''}"


def count(number: int, noun: str) -> str:
    """Write a number of things: `1 core`, `2 cores`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shortened(text: str, width: int) -> str:
    """Cut a text that is too wide, and show that it is cut."""
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"


def printable(text: str) -> str:
    """Make what processes and files are called harmless: a name can hold escapes of terminals."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def _lent(sets: Iterable[CpuSet]) -> str:
    """Say where the sets of nodes without memory take it from."""
    takers: dict[IdSet, set[int]] = {}
    for one in sets:
        if one.numa_node not in one.memory_nodes:
            takers.setdefault(one.memory_nodes, set()).add(one.numa_node)
    said = (
        f"{node_list(IdSet(nodes))} take it from {node_list(lent)}"
        for lent, nodes in takers.items()
    )
    return f"sets of {', those of '.join(said)}" if takers else ""


def node_list(ids: IdSet) -> str:
    """Name NUMA nodes: `node 0`, `nodes 0-2`."""
    return f"{'node' if len(ids) == 1 else 'nodes'} {ids}"


def rank_list(ids: IdSet) -> str:
    """Name ranks: `rank 0`, `ranks 0-2`."""
    return f"{'rank' if len(ids) == 1 else 'ranks'} {ids}"


def _cpus(cpus: IdSet) -> str:
    return f"{'CPU' if len(cpus) == 1 else 'CPUs'} {cpus or 'none'}"


def _threads(machine: Machine) -> str:
    if not machine.cores_known:
        return "which of them share a core is not known"
    threads = sorted({len(core.cpus) for core in machine.cores})
    most = "thread" if threads == [1] else "threads"
    return f"{' or '.join(map(str, threads))} {most} per core"
