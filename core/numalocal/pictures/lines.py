"""A NUMA node's line in the terminal: its cores, its memory and its CPUs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from numalocal.pictures import blocks, words
from numalocal.pictures.ink import Ink
from numalocal.pictures.sections import NodeView
from numalocal.quantity import format_bytes

HUGE: Final = "▒"
_BAR: Final = 8
_LEAST_BLOCKS: Final = 4
_LEAST_CPUS: Final = 9
_MOST_CPUS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The widths of a line and of what stands in it, and the memory that fills a bar."""

    width: int
    label: int
    blocks: int
    size: int
    cpus: int
    most_bytes: int


def share_out(nodes: Sequence[NodeView], width: int) -> Columns:
    """Share a line out: blocks as wide as they are, then CPU lists as long as they are.

    Rows of cores that do not fit are as even as they can be.
    """
    label = max(len(node.name) for node in nodes)
    size = max(len(_size(node)) for node in nodes)
    beside = max(len(_beside(node)) for node in nodes)
    cpus = max(len(_cpus(node)) for node in nodes)
    room = width - (2 + label + 2) - (2 + 2 + _BAR + 1 + size + 2)
    widest = max(_LEAST_BLOCKS, beside, room - min(cpus, _LEAST_CPUS))
    most = max(len(list(blocks.rows(node.groups, widest))) for node in nodes)
    even = next(
        one
        for one in range(max(_LEAST_BLOCKS, beside), widest + 1)
        if all(len(list(blocks.rows(node.groups, one))) <= most for node in nodes)
    )
    rows = [row for node in nodes for row in blocks.rows(node.groups, even)]
    longest = max(map(len, map(_plain, rows)), default=0)
    taken = max(beside, longest)
    return Columns(
        width=width,
        label=label,
        blocks=taken,
        size=size,
        cpus=max(1, min(cpus, _MOST_CPUS, room - taken)),
        most_bytes=max(node.memory_bytes or 0 for node in nodes) or 1,
    )


def node_lines(node: NodeView, columns: Columns, signs: blocks.Signs, ink: Ink) -> Iterator[str]:
    """Write one node; its cores may take several lines, and the rest stands in the first."""
    label, memory = node.name, _memory(node, columns)
    if not node.groups:
        yield f"  {label:<{columns.label}}  {_beside(node):<{columns.blocks}}  {memory}".rstrip()
    for row in blocks.rows(node.groups, columns.blocks):
        drawn = signs.written(row, ink) + " " * (columns.blocks - len(_plain(row)))
        yield f"  {label:<{columns.label}}  {drawn}  {memory}".rstrip()
        label = memory = ""
    room = columns.width - (2 + columns.label + 2)
    for said in node.guests:
        shown = words.shortened(words.printable(said), room)
        yield f"  {'':<{columns.label}}  {shown}"


def _memory(node: NodeView, columns: Columns) -> str:
    cpus = words.shortened(_cpus(node), columns.cpus)
    if node.memory_bytes is None:
        return f"{'':{_BAR + 2}} {_size(node):>{columns.size}}  {cpus}"
    return f"▕{memory_bar(node, columns.most_bytes)}▏ {_size(node):>{columns.size}}  {cpus}"


def memory_bar(node: NodeView, most_bytes: int) -> str:
    """Draw a node's memory, `most_bytes` being a full bar; huge pages at its end.

    However little there is of either, it is seen where there is room for both.
    """
    size = node.memory_bytes or 0
    full = max(min(1, size), round(_BAR * size / most_bytes))
    huge = round(full * node.huge_page_bytes / size) if size else 0
    if full > 1:
        huge = max(huge, min(1, node.huge_page_bytes))
        huge = min(huge, full - min(1, size - node.huge_page_bytes))
    return "█" * (full - huge) + HUGE * huge + "░" * (_BAR - full)


def _size(node: NodeView) -> str:
    if node.id is None:
        return ""
    return "memory ?" if node.memory_bytes is None else format_bytes(node.memory_bytes)


def _cpus(node: NodeView) -> str:
    return str(node.cpus) or node.without_cpus


def _beside(node: NodeView) -> str:
    return f"near {words.node_list(node.near)}" if node.near else ""


def _plain(row: blocks.CellRow) -> str:
    return row[0] + " " * len(row[1])
