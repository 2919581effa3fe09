"""What stands around the nodes in a terminal: summary, sets, distances, findings."""

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from numalocal.cpusets import CpuSet
from numalocal.idset import IdSet
from numalocal.machine import Machine
from numalocal.partition import Partition
from numalocal.pictures.ink import Ink
from numalocal.quantity import format_bytes

_MOST_SETS: Final = 16
"""Of more sets than that the free ones are counted, not listed."""
_DISTANCE_NODES: Final = range(2, 9)


def summary(machine: Machine, width: int) -> str:
    """Say what the machine is and has; what is offline or not allowed, where anything is."""
    threads = sorted({len(core.cpus) for core in machine.cores})
    memory = sum(node.memory_bytes or 0 for node in machine.nodes)
    facts = [
        machine.architecture,
        count(len(machine.packages), "package") if machine.packages else "",
        count(len(machine.nodes), "NUMA node"),
        count(len(machine.cores), "core"),
        f"{count(len(machine.online), 'CPU')} ({_threads(threads)})",
        format_bytes(memory) if memory else "",
    ]
    lines = [f"machine  {', '.join(fact for fact in facts if fact)}"]
    if machine.offline:
        lines.append(f"offline  {machine.offline}")
    if machine.allowed != machine.online:
        lines.append(f"allowed  CPUs {machine.allowed or 'none'}")
    nodes = IdSet.of(node.id for node in machine.nodes)
    if machine.allowed_nodes != nodes:
        lines.append(f"allowed  memory of nodes {machine.allowed_nodes or 'none'}")
    return "\n".join(_wrapped(line, width, " " * 9) for line in lines)


def sets(
    machine: Machine,
    partition: Partition,
    users: Mapping[str, str],
    letters: Mapping[str, str],
    *,
    width: int,
    ink: Ink,
) -> str:
    """List the sets with who uses them; of many, the free ones are counted by pool and node.

    Lists of CPUs are shortened to the width.
    """
    few = len(partition.sets) <= _MOST_SETS
    rows = [("", "set", "node", "memory", "used by", "CPUs")]
    listed = [one for one in partition.sets if few or one.id in users]
    rows += [
        (
            letters.get(one.id, " "),
            one.id,
            str(one.numa_node),
            format_bytes(one.memory_bytes),
            use(machine, one, users),
            str(one.cpus),
        )
        for one in listed
    ]
    heading, *lines = [shortened(line, width) for line in _columns(rows)]
    places = {one.id: place for place, one in enumerate(partition.sets)}
    coloured = [
        ink.of_set(line, places[one.id], used=True) if one.id in users else line
        for line, one in zip(lines, listed, strict=True)
    ]
    shown = [heading, *coloured] if listed else []
    counted = [] if few else _counted(partition, users)
    return "\n".join([*shown, *counted, shortened(f"  shared CPUs {partition.shared}", width)])


def use(machine: Machine, one: CpuSet, users: Mapping[str, str]) -> str:
    """Say who uses a set, or why nobody can, or that it is free."""
    if one.id in users:
        return users[one.id]
    if offline := one.cpus - machine.online:
        return f"none: CPU {offline} is offline"
    return "free" if one.cpus <= machine.allowed else "none: not allowed here"


def distances(machine: Machine) -> str:
    """Show the distances between 2 to 8 nodes; in words where all are alike."""
    if words := even_distance(machine):
        return words
    rows = distance_rows(machine)
    if not rows:
        return ""
    heading = f"{'distance':<9}{''.join(f'{node.id:>5}' for node in machine.nodes)}"
    lines = [f"node {node:<4}{''.join(f'{far:>5}' for far in row)}" for node, row in rows]
    return "\n".join([heading, *lines])


def even_distance(machine: Machine) -> str:
    """Say the distance where all nodes are as far from each other; else nothing."""
    rows = distance_rows(machine)
    local = {row[place] for place, (_, row) in enumerate(rows)}
    remote = {
        far
        for place, (_, row) in enumerate(rows)
        for other, far in enumerate(row)
        if other != place
    }
    if len(local) == len(remote) == 1:
        return f"distance  {min(local)} within a node, {min(remote)} to any other"
    return ""


def distance_rows(machine: Machine) -> list[tuple[int, list[int]]]:
    """Give each node's distances in the order of the nodes; nothing but for 2 to 8 nodes."""
    ids = [node.id for node in machine.nodes]
    known = all(list(node.distances) == ids for node in machine.nodes)
    if len(ids) not in _DISTANCE_NODES or not known:
        return []
    return [(node.id, list(node.distances.values())) for node in machine.nodes]


def findings(machine: Machine, width: int, ink: Ink) -> str:
    """List what is inconsistent in the kernel's files."""
    return "\n".join(
        f"{ink.warning('finding')}{_wrapped(f'  {one}', width - 7, ' ' * 9)}"
        for one in machine.findings
    )


def shortened(text: str, width: int) -> str:
    """Cut a text that is too wide, and show that it is cut."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def count(number: int, noun: str) -> str:
    """Write a number of things: `1 core`, `2 cores`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _threads(threads: Sequence[int]) -> str:
    most = f"{' or '.join(map(str, threads))} thread{'s' if threads != [1] else ''}"
    return f"{most} per core"


def _counted(partition: Partition, users: Mapping[str, str]) -> list[str]:
    free = Counter(
        (one.pool, one.numa_node, len(one.cpus)) for one in partition.sets if one.id not in users
    )
    return [
        f"  {pool}: {count(number, 'free set')} of {count(cpus, 'CPU')} on node {node}"
        for (pool, node, cpus), number in free.items()
    ]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    padded = ([cell.ljust(size) for cell, size in zip(row, widths, strict=True)] for row in rows)
    return [f"  {'  '.join(cells)}".rstrip() for cells in padded]


def _wrapped(text: str, width: int, indent: str) -> str:
    return textwrap.fill(text, width, subsequent_indent=indent, break_on_hyphens=False)
