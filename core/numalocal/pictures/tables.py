"""The terminal's table of sets: every set, or of many the used ones and how many are free."""

import textwrap
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.pictures.blocks import FULL, Signs
from numalocal.pictures.cells import of_set
from numalocal.pictures.ink import Ink
from numalocal.pictures.words import count, memory, shortened, use
from numalocal.sets.cpusets import CpuSet
from numalocal.sets.partition import Partition

_MOST_SETS: Final = 16
"""Of more sets than that the free ones are counted, not listed."""
_LEAST_CPUS: Final = 8
"""A list of CPUs that is cut shorter tells nothing."""
_ALWAYS: Final = (0, 1, 3)
_MEMORY: Final = 2
_CPUS: Final = 4

TableRow = tuple[str, str, str, str, str]


def sets(
    machine: Machine,
    partition: Partition,
    used_by: Mapping[str, str],
    signs: Signs,
    *,
    width: int,
    ink: Ink,
) -> str:
    """List the sets with who uses them; of many, the free ones are counted by pool and node."""
    few = len(partition.sets) <= _MOST_SETS
    listed = [one for one in partition.sets if few or one.id in used_by]
    rows: list[TableRow] = [
        ("set", "node", "memory", "used by", "CPUs"),
        *(_row(one, use(machine, one, used_by)) for one in listed),
    ]
    marks = [" ", *(signs.of_set(one, of_set(one, machine, used_by), ink) for one in listed)]
    if partition.shared:
        rows.append(("shared", "", "", "all others", str(partition.shared)))
        marks.append(ink.faint(FULL.shared))
    lines = [
        f"  {mark}  {line}".rstrip()
        for mark, line in zip(marks, _columns(rows, width - 5), strict=True)
    ]
    counted = [] if few else _counted(machine, partition, used_by)
    wrapped = (textwrap.fill(line, width, subsequent_indent=" " * 7) for line in counted)
    return "\n".join([*lines, *wrapped])


def _row(one: CpuSet, user: str) -> TableRow:
    return one.id, str(one.numa_node), memory(one), user, str(one.cpus)


def _columns(rows: Sequence[TableRow], width: int) -> list[str]:
    """Align the columns; where they do not fit, memory and CPUs, which ids hint at, go first."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    shown = set(_ALWAYS)
    for column, least in ((_MEMORY, widths[_MEMORY]), (_CPUS, min(widths[_CPUS], _LEAST_CPUS))):
        room = width - sum(widths[one] + 2 for one in shown)
        if room >= least:
            shown.add(column)
            widths[column] = min(widths[column], room)
    padded = (
        "  ".join(shortened(row[one], widths[one]).ljust(widths[one]) for one in sorted(shown))
        for row in rows
    )
    return [shortened(line.rstrip(), width) for line in padded]


def _counted(machine: Machine, partition: Partition, used_by: Mapping[str, str]) -> list[str]:
    """Count the sets that nobody uses, nodes that have as many together."""
    cores = {cpu: core for core in machine.cores for cpu in core.cpus}
    tally = Counter(
        (
            one.pool,
            len({cores[cpu] for cpu in one.present}),
            use(machine, one, used_by),
            one.numa_node,
        )
        for one in partition.sets
        if one.id not in used_by
    )
    alike: dict[tuple[str, int, str, int], list[int]] = defaultdict(list)
    for (pool, size, state, node), number in tally.items():
        alike[pool, size, state, number].append(node)
    return [
        f"     {pool}: {count(number, 'set')} of {count(size, 'core')} {_on(nodes)}, {state}"
        for (pool, size, state, number), nodes in alike.items()
    ]


def _on(nodes: Sequence[int]) -> str:
    return f"on node {nodes[0]}" if len(nodes) == 1 else f"on each of nodes {IdSet.of(nodes)}"
