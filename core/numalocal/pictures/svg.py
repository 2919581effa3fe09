"""The drawing of a machine: packages, NUMA nodes, caches and cores, coloured by CPU set."""

from collections.abc import Collection, Iterator, Mapping
from html import escape
from typing import Final

from numalocal.machine import Machine
from numalocal.partition import Partition
from numalocal.pictures.cells import Cell, State
from numalocal.pictures.layout import (
    LINE_HEIGHT,
    MARGIN,
    MOST_LINES,
    Box,
    CoreBox,
    NodeBox,
    Page,
    SectionBox,
    lay_out,
)
from numalocal.pictures.sections import nearest
from numalocal.pictures.tables import count, distance_rows, even_distance, summary, use
from numalocal.quantity import format_bytes

_HUES: Final = (211, 27, 152, 268, 335, 185, 48, 300, 95, 240)
"""Hues of neighbouring sets, far enough apart for those who see colours less well."""
_STYLE: Final = (
    "text{font-family:Inter,'Helvetica Neue',Arial,sans-serif;fill:#1f2933}"
    ".h{font-size:26px;font-weight:700}.s{font-size:14px;fill:#52606d}"
    ".p{font-size:16px;font-weight:600}.n{font-size:15px;font-weight:600}.t{font-size:12px}"
    ".f{font-size:12px;fill:#b44d12}"
)
_LEGEND: Final = {
    State.SHARED: "#c9d1d9",
    State.FREE: "hsl(211 70% 84%)",
    State.USED: "hsl(211 72% 46%)",
    State.OFFLINE: "#f5c6c0",
    State.FORBIDDEN: "#fff",
}
_LINE: Final = 22
_CELL: Final = 30
_STEP: Final = 38


def draw(
    machine: Machine, partition: Partition | None, users: Mapping[str, str], *, title: str
) -> str:
    """Draw a machine as a whole SVG document, with a tooltip on every core.

    `users` says by a set's id who uses it; without a partition no set is drawn.
    """
    return "\n".join(_Drawing(machine, partition, users, title).lines())


class _Drawing:
    """The elements of one drawing."""

    def __init__(
        self,
        machine: Machine,
        partition: Partition | None,
        users: Mapping[str, str],
        title: str,
    ) -> None:
        self._machine = machine
        self._users = users
        self._title = title
        sets = partition.sets if partition else ()
        self._hues = {one.id: _HUES[place % len(_HUES)] for place, one in enumerate(sets)}
        self._most_bytes = max((node.memory_bytes or 0 for node in machine.nodes), default=0) or 1
        self._page = lay_out(machine, partition, users)

    def lines(self) -> Iterator[str]:
        height = self._page.foot_y + MARGIN + _foot_height(self._machine)
        words = "; ".join(
            " ".join(line.split()) for line in summary(self._machine, 1000).splitlines()
        )
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self._page.width:g}" '
            f'height="{height:g}" viewBox="0 0 {self._page.width:g} {height:g}" role="img">'
        )
        yield f"<title>{escape(self._title)}</title><desc>{escape(words)}</desc>"
        yield f"<style>{_STYLE}</style>"
        yield '<rect width="100%" height="100%" fill="#fbfcfd"/>'
        yield _text(MARGIN, 44, self._title, "h")
        yield _text(MARGIN, 68, words.removeprefix("machine "), "s")
        for section in self._page.sections:
            yield from self._section(section)
        yield from _foot(self._machine, self._page)
        yield "</svg>"

    def _section(self, section: SectionBox) -> Iterator[str]:
        yield _rect(section.box, 'rx="16" fill="#f1f4f8" stroke="#d5dde6"')
        if section.title:
            yield _text(section.box.x + 18, section.box.y + 32, section.title, "p")
        for node in section.nodes:
            yield from self._node(node)

    def _node(self, one: NodeBox) -> Iterator[str]:
        x, y = one.box.x + 16, one.box.y
        dashes = "" if one.node.cpus else ' stroke-dasharray="6 4"'
        yield _rect(one.box, f'rx="12" fill="#fff" stroke="#c3cfdb"{dashes}')
        yield _text(x, y + 26, f"NUMA node {one.node.id}", "n")
        yield _text(x, y + 42, _fitting(self._subtitle(one), one.box.width - 32), "t")
        for group in one.groups:
            if group.framed:
                yield _rect(group.box, 'rx="8" fill="#f7f9fb" stroke="#dde5ed"')
            for core in group.cores:
                yield from self._core(core)
        yield from self._memory(one)
        yield from self._sets(one)

    def _subtitle(self, one: NodeBox) -> str:
        if one.node.cpus:
            return f"CPUs {one.node.cpus}"
        beside = nearest(one.node, self._machine)
        return f"no CPUs, near node {beside.id}" if beside else "no CPUs"

    def _core(self, one: CoreBox) -> Iterator[str]:
        box, cell = one.box, one.cell
        yield f"<g><title>{escape(self._tooltip(cell))}</title>"
        yield _rect(box, f'rx="{box.width / 6:.1f}" {self._fill(cell)}')
        threads = len(cell.core.cpus)
        for thread in range(1, threads):
            x = box.x + box.width * thread / threads
            yield (
                f'<path d="M{x:g} {box.y + 2:g}v{box.height - 4:g}" '
                'stroke="#fff" stroke-opacity=".75"/>'
            )
        if cell.state is State.OFFLINE:
            side = f"{box.width:g}"
            yield (
                f'<path d="M{box.x:g} {box.y:g}l{side} {side}m0 -{side}l-{side} {side}" '
                'stroke="#c0392b"/>'
            )
        yield "</g>"

    def _tooltip(self, cell: Cell) -> str:
        owner = "" if cell.owner is None else f", set {cell.owner.id}"
        user = "" if cell.owner is None else self._users.get(cell.owner.id, "")
        kind = f"{cell.core.kind} " if cell.core.kind else ""
        said = f"{kind}core of CPUs {cell.core.cpus}: {cell.state.value}{owner}"
        return f"{said}, {user}" if user else said

    def _fill(self, cell: Cell) -> str:
        hue = self._hues.get(cell.owner.id) if cell.owner else None
        match cell.state:
            case State.USED:
                return f'fill="hsl({hue} 72% 46%)"'
            case State.FREE:
                return f'fill="hsl({hue} 70% 84%)" stroke="hsl({hue} 55% 60%)"'
            case State.SHARED:
                return 'fill="#c9d1d9"'
            case State.OFFLINE:
                return 'fill="#fff" stroke="#c0392b" stroke-dasharray="3 2"'
            case State.FORBIDDEN:
                return 'fill="#fff" stroke="#9aa5b1" stroke-dasharray="3 2"'

    def _memory(self, one: NodeBox) -> Iterator[str]:
        bar, node = one.memory, one.node
        if node.memory_bytes is None:
            yield _text(bar.x, bar.y + 12, "memory not known", "t")
            return
        room = bar.width - 90
        full = room * node.memory_bytes / self._most_bytes
        huge = room * node.huge_page_bytes / self._most_bytes
        yield _rect(Box(x=bar.x, y=bar.y, width=room, height=bar.height), 'rx="4" fill="#eef2f6"')
        yield _rect(Box(x=bar.x, y=bar.y, width=full, height=bar.height), 'rx="4" fill="#7b93ab"')
        if huge:
            x = bar.x + full - huge
            words = f"{format_bytes(node.huge_page_bytes)} in huge pages"
            yield f"<g><title>{words}</title>"
            yield _rect(Box(x=x, y=bar.y, width=huge, height=bar.height), 'rx="4" fill="#4f6275"')
            yield "</g>"
        yield _text(bar.x + room + 10, bar.y + 12, format_bytes(node.memory_bytes), "t")

    def _sets(self, one: NodeBox) -> Iterator[str]:
        y = one.memory.y + one.memory.height + 24
        for place, own in enumerate(one.sets[:MOST_LINES]):
            user = self._users.get(own.id)
            hue = self._hues[own.id]
            light = "72% 46%" if user else "70% 84%"
            line = y + place * LINE_HEIGHT
            swatch = Box(x=one.memory.x, y=line - 10, width=12, height=12)
            yield _rect(swatch, f'rx="3" fill="hsl({hue} {light})"')
            said = f"{own.id} · {use(self._machine, own, self._users)}"
            yield _text(one.memory.x + 20, line, _fitting(said, one.memory.width - 20), "t")
        more = len(one.sets) - MOST_LINES
        if more > 0:
            line = y + MOST_LINES * LINE_HEIGHT
            yield _text(one.memory.x + 20, line, f"and {count(more, 'more set')}", "t")


def _marks(machine: Machine, states: Collection[State]) -> Iterator[tuple[str, str]]:
    """Give colour and words of what was drawn."""
    for state, fill in _LEGEND.items():
        if state in states:
            yield fill, f"core {state.value}"
    if machine.localities:
        yield "#f7f9fb", "frame: one L3 cache" if machine.l3 else "frame: one book"
    if machine.kinds:
        yield "#c9d1d9", "small: efficiency core"


def _foot(machine: Machine, page: Page) -> Iterator[str]:
    """Write legend, distances and findings below the machine."""
    y = page.foot_y + 16
    x = float(MARGIN)
    states = {
        core.cell.state
        for section in page.sections
        for node in section.nodes
        for group in node.groups
        for core in group.cores
    }
    for fill, words in _marks(machine, states):
        swatch = Box(x=x, y=y - 12, width=14, height=14)
        yield _rect(swatch, f'rx="3" fill="{fill}" stroke="#c3cfdb"')
        yield _text(x + 22, y, words, "t")
        x += 50 + 7 * len(words)
    y += _LINE
    yield from _distances(machine, y)
    y += _distance_height(machine)
    for place, finding in enumerate(machine.findings):
        yield _text(MARGIN, y + 14 + place * LINE_HEIGHT, f"finding: {finding}", "f")


def _distances(machine: Machine, y: float) -> Iterator[str]:
    if words := even_distance(machine):
        yield _text(MARGIN, y + 16, words, "t")
        return
    rows = distance_rows(machine)
    most = max((max(row) for _, row in rows), default=0)
    yield _text(MARGIN, y + 20, "distance" if rows else "", "t")
    for place, (node, row) in enumerate(rows):
        left, top = MARGIN + 76 + place * _STEP, y + 30 + place * (_CELL - 4)
        yield _text(left + 10, y + 20, str(node), "t")
        yield _text(MARGIN, top + 16, f"node {node}", "t")
        for column, far in enumerate(row):
            light = 96 - round(40 * (far - 10) / max(1, most - 10))
            box = Box(x=MARGIN + 76 + column * _STEP, y=top, width=_STEP - 4, height=_CELL - 8)
            yield _rect(box, f'rx="4" fill="hsl(211 45% {light}%)"')
            yield _text(box.x + 8, top + 16, str(far), "t")


def _distance_height(machine: Machine) -> float:
    rows = distance_rows(machine)
    if even_distance(machine):
        return LINE_HEIGHT + 8
    return 48 + len(rows) * (_CELL - 4) if rows else 0


def _foot_height(machine: Machine) -> float:
    return _LINE + _distance_height(machine) + len(machine.findings) * LINE_HEIGHT


def _rect(box: Box, attributes: str) -> str:
    return (
        f'<rect x="{box.x:.5g}" y="{box.y:.5g}" width="{box.width:.5g}" '
        f'height="{box.height:.5g}" {attributes}/>'
    )


def _text(x: float, y: float, words: str, style: str) -> str:
    return f'<text x="{x:.5g}" y="{y:.5g}" class="{style}">{escape(words)}</text>'


def _fitting(words: str, width: float) -> str:
    """Cut words to a width; a character of 12 pixels is some 6.6 wide."""
    most = int(width / 6.6)
    return words if len(words) <= most else f"{words[: most - 1]}…"
