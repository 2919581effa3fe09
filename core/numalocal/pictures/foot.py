"""What stands below the machine in the drawing: legend, distances, findings."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from numalocal.machine.model import Machine
from numalocal.pictures import distances, shapes
from numalocal.pictures.boxes import Box, Page
from numalocal.pictures.cells import State
from numalocal.pictures.layout import LINE_HEIGHT, MARGIN
from numalocal.pictures.shapes import letters, text

_SWATCH: Final = 18
_LEGEND_LINE: Final = 30
_CELL_WIDTH: Final = 40
_CELL_HEIGHT: Final = 28
_LABEL: Final = 76

Entry = tuple[str, str]
"""A swatch, drawn at the origin, and what it means."""


def foot(machine: Machine, page: Page) -> tuple[list[str], float]:
    """Write legend, distances and findings from y = 0 on; gives the height too."""
    lines: list[str] = []
    y = 0.0
    for part in (_legend(machine, page), _distances(machine), _findings(machine, page.width)):
        elements, height = part
        if elements:
            lines += [f'<g transform="translate(0 {y:g})">', *elements, "</g>"]
            y += height
    return lines, y


def _legend(machine: Machine, page: Page) -> tuple[list[str], float]:
    """Explain what was drawn, and nothing else."""
    lines: list[str] = []
    x, y = float(MARGIN), 0.0
    for swatch, words in _entries(machine, page):
        width = _SWATCH + 8 + 12 * 0.6 * len(words)
        if x > MARGIN and x + width > page.width - MARGIN:
            x, y = float(MARGIN), y + _LEGEND_LINE
        lines.append(f'<g transform="translate({x:g} {y:g})">{swatch}')
        lines.append(text(_SWATCH + 8, 13, words, "t") + "</g>")
        x += width + 20
    return lines, y + _LEGEND_LINE + 10


def _entries(machine: Machine, page: Page) -> Iterator[Entry]:
    nodes = [node for section in page.sections for node in section.nodes]
    groups = [group for node in nodes for group in node.groups]
    cells = [core.cell for group in groups for core in group.cores]
    box = Box(x=0, y=0, width=_SWATCH, height=_SWATCH)
    for state in State:
        if any(cell.state is state for cell in cells):
            yield shapes.core(box, state, shapes.PALETTE[0], 1), f"core {state.value}"
    if (threads := max((len(cell.core.cpus) for cell in cells), default=1)) > 1:
        yield shapes.core(box, State.SHARED, "", threads), f"slices: {threads} threads of a core"
    if any(group.framed for group in groups):
        locality = "an L3 cache" if machine.l3 else "a book"
        yield shapes.rect(box, f'rx="3" {shapes.FRAME}'), f"frame: cores that share {locality}"
    if machine.kinds:
        small = Box(x=3, y=3, width=12, height=12)
        yield shapes.core(small, State.SHARED, "", 1), "small: efficiency core"
    if any(node.node.huge_page_bytes for node in nodes):
        bar = Box(x=0, y=4, width=_SWATCH, height=9)
        yield shapes.rect(bar, f'rx="3" fill="{shapes.HUGE}"'), "memory in huge pages"


def _distances(machine: Machine) -> tuple[list[str], float]:
    if even := distances.even(machine):
        return [text(MARGIN, 14, f"distance {even}", "t")], LINE_HEIGHT + 10
    rows = distances.rows(machine)
    if not rows:
        return [], 0
    lines = [text(MARGIN, 14, "distance", "b")]
    for index, (node, far) in enumerate(rows):
        middle = MARGIN + _LABEL + index * _CELL_WIDTH + (_CELL_WIDTH - 4) / 2
        lines.append(text(middle, 14, str(node), "m"))
        lines += _row(node, far, 24 + index * _CELL_HEIGHT, max(max(one) for _, one in rows))
    return lines, 24 + len(rows) * _CELL_HEIGHT + 14


def _row(node: int, far: Sequence[int], y: float, most: int) -> Iterator[str]:
    """Draw one node's distances: the farther, the darker, but never too dark to read."""
    yield text(MARGIN, y + 17, f"node {node}", "t")
    for column, one in enumerate(far):
        x = MARGIN + _LABEL + column * _CELL_WIDTH
        box = Box(x=x, y=y, width=_CELL_WIDTH - 4, height=_CELL_HEIGHT - 4)
        white = 0.92 - 0.5 * max(0, one - 10) / max(1, most - 10)
        yield shapes.rect(box, f'rx="5" fill="{shapes.pastel(shapes.PALETTE[0], white)}"')
        yield text(x + box.width / 2, y + 17, str(one), "m")


def _findings(machine: Machine, width: float) -> tuple[list[str], float]:
    lines: list[str] = []
    y = 14.0
    for finding in machine.findings:
        lines.append(text(MARGIN, y, "finding", "w"))
        for line in textwrap.wrap(str(finding), letters(width - 2 * MARGIN - _LABEL, 12)):
            lines.append(text(MARGIN + _LABEL, y, line, "t"))
            y += LINE_HEIGHT
    return lines, y
