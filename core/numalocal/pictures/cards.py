"""A NUMA node's card in the drawing: its title, its memory, its cores, its sets."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Final

from numalocal.machine.model import Machine
from numalocal.pictures import shapes, words
from numalocal.pictures.boxes import Box, CoreBox, NodeBox
from numalocal.pictures.cells import Cell, State, colour_numbers, of_set
from numalocal.pictures.layout import LINE_HEIGHT, MOST_LINES
from numalocal.pictures.shapes import fitting, number, rect, text
from numalocal.quantity import format_bytes
from numalocal.sets.cpusets import CpuSet
from numalocal.sets.partition import Partition

_DOT: Final = 12


class Cards:
    """Draws the cards of one machine: memory to one scale, every set in its colour."""

    def __init__(
        self, machine: Machine, partition: Partition | None, used_by: Mapping[str, str]
    ) -> None:
        self._machine = machine
        self._used_by = used_by
        sets = partition.sets if partition else ()
        self._colours = {
            one: shapes.PALETTE[colour % len(shapes.PALETTE)]
            for one, colour in colour_numbers(sets, used_by).items()
        }
        self._most_bytes = max((node.memory_bytes or 0 for node in machine.nodes), default=0) or 1

    def draw(self, one: NodeBox) -> Iterator[str]:
        """Draw one; dashed where there are only CPUs or only memory."""
        dashes = "" if one.node.groups and one.node.id is not None else ' stroke-dasharray="6 4"'
        yield rect(one.box, f'rx="12" fill="#fff" stroke="#b9c6d3"{dashes}')
        yield from self._header(one)
        for group in one.groups:
            if group.framed:
                yield rect(group.box, f'rx="8" {shapes.FRAME}')
            for core in group.cores:
                yield self._core(core)
        yield from self._sets(one)

    def _header(self, one: NodeBox) -> Iterator[str]:
        """Write a card's title, size and CPUs; a compact card has a line for each."""
        x, y, node = one.memory.x, one.box.y, one.node
        right = x + one.memory.width
        known = node.memory_bytes is not None
        size = format_bytes(node.memory_bytes or 0) if known else "memory not known"
        size = "" if node.id is None else size
        if one.compact:
            yield text(x, y + 21, node.name, "c")
            yield text(x, y + 37, fitting(_cpus(one), one.memory.width), "t")
            yield text(x, y + 53, size, "t")
        else:
            yield text(x, y + 29, f"NUMA {node.name}" if size else node.name, "n")
            yield text(right, y + 29, size, "n e" if known else "g e")
            yield text(x, y + 49, fitting(_cpus(one), one.memory.width), "g")
        if known:
            yield from self._memory(one)

    def _memory(self, one: NodeBox) -> Iterator[str]:
        bar, node = one.memory, one.node
        full = bar.width * (node.memory_bytes or 0) / self._most_bytes
        huge = min(full, bar.width * node.huge_page_bytes / self._most_bytes)
        for width, colour in ((bar.width, "#e6ebf0"), (full, shapes.MEMORY)):
            box = Box(x=bar.x, y=bar.y, width=width, height=bar.height)
            yield rect(box, f'rx="{number(bar.height / 2)}" fill="{colour}"')
        if huge:
            told = f"{format_bytes(node.huge_page_bytes)} in huge pages"
            box = Box(x=bar.x + full - huge, y=bar.y, width=huge, height=bar.height)
            shape = rect(box, f'rx="{number(min(bar.height, huge) / 2)}" fill="{shapes.HUGE}"')
            yield f"<g><title>{told}</title>{shape}</g>"

    def _core(self, one: CoreBox) -> str:
        cell = one.cell
        colour = self._colours[cell.owner.id] if cell.owner else ""
        shape = shapes.core(one.box, cell.state, colour, len(cell.core.cpus))
        return f"<g><title>{escape(words.printable(self._tooltip(cell)))}</title>{shape}</g>"

    def _tooltip(self, cell: Cell) -> str:
        kind = f"{cell.core.kind} " if cell.core.kind else ""
        facts = [f"CPU {cell.core.cpus}"]
        if cell.state is not State.OFFLINE and (gone := cell.core.cpus - self._machine.online):
            facts.append(f"CPU {gone} is offline")
        if self._machine.cores_known:
            facts.append(f"{kind}core {cell.core.core}")
        if cell.owner:
            facts.append(f"set {cell.owner.id}")
            facts.append(words.use(self._machine, cell.owner, self._used_by))
        elif cell.state is State.SHARED:
            facts.append("shared")
        else:
            facts.append(cell.state.value)
        return " · ".join(facts)

    def _sets(self, one: NodeBox) -> Iterator[str]:
        """List a node's sets; of many the used ones first, and the rest is counted."""
        sets, y = list(one.node.sets), one.sets_y + 12
        # To say that there is one more takes as much room as that one.
        listed = MOST_LINES if len(sets) > MOST_LINES + 1 else len(sets)
        if listed < len(sets):
            sets.sort(key=lambda own: own.id not in self._used_by)
        for own in sets[:listed]:
            state = of_set(own, self._machine, self._used_by)
            dot = Box(x=one.memory.x, y=y - 10, width=_DOT, height=_DOT)
            yield rect(dot, f'rx="3" {shapes.fill(state, self._colours[own.id])}')
            style = "b" if state is State.USED else "g"
            yield text(dot.x + _DOT + 8, y, self._label(own, one.memory.width), style)
            y += LINE_HEIGHT
        if more := len(sets) - listed:
            yield text(one.memory.x + _DOT + 8, y, f"and {words.count(more, 'more set')}", "g")
            y += LINE_HEIGHT
        yield from self._guests(one, y)

    def _guests(self, one: NodeBox, y: float) -> Iterator[str]:
        """List who has memory here and no set; of many the rest is counted."""
        guests = list(one.node.guests)
        if (more := len(guests) - MOST_LINES) > 1:
            guests[MOST_LINES:] = [f"and {words.count(more, 'more replica')}"]
        for line, said in enumerate(guests):
            shown = fitting(words.printable(said), one.memory.width, 12)
            yield text(one.memory.x, y + line * LINE_HEIGHT, shown, "t")

    def _label(self, one: CpuSet, width: float) -> str:
        """Name a set and its user; where both do not fit, whoever uses it."""
        user = words.use(self._machine, one, self._used_by)
        room = width - _DOT - 8
        both = f"{one.id} · {user}"
        fits = fitting(both, room) == both
        return fitting(user if one.id in self._used_by and not fits else both, room)


def _cpus(one: NodeBox) -> str:
    why, near = one.node.without_cpus, one.node.near
    if not why:
        return f"CPUs {one.node.cpus}"
    return f"{why}, near {words.node_list(near)}" if near and not one.node.of_device else why
