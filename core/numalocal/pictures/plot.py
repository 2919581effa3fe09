"""Measurements as SVG: lines over axes, and a matrix of rates; parts of one document."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from numalocal.pictures import shapes
from numalocal.pictures.boxes import Box
from numalocal.pictures.words import printable

WIDTH: Final = 760
_LEFT, _TOP, _RIGHT, _BOTTOM = 80, 80, 720, 370
_PLOT_HEIGHT: Final = 440
_GRID_LINES: Final = 4
_COLOURS: Final = ("hsl(211 72% 46%)", "hsl(27 72% 46%)", "hsl(152 72% 36%)")
_CELL: Final = 60
"""The widest cell of a matrix; many columns share the width of the page."""

Line = tuple[str, Sequence[tuple[float, float]]]
"""A name and its points, x ascending; x and y are not negative."""
Part = tuple[list[str], float]
"""Elements from y = 0 on, and their height."""


def document(title: str, parts: Sequence[Part]) -> str:
    """Put parts below each other: a whole SVG document."""
    height = sum(height for _, height in parts)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" '
        f'viewBox="0 0 {WIDTH} {height:g}" role="img">',
        f"<title>{escape(printable(title))}</title>",
        f"<style>{shapes.STYLE}</style>",
        '<rect width="100%" height="100%" fill="#fbfcfd"/>',
    ]
    y = 0.0
    for elements, height in parts:
        lines += [f'<g transform="translate(0 {y:g})">', *elements, "</g>"]
        y += height
    return "\n".join([*lines, "</svg>"])


def plot(title: str, x_title: str, y_title: str, lines: Sequence[Line]) -> Part:
    """Draw lines over common axes that begin at 0; a title alone where there is no point."""
    heading = [_text(_LEFT, 40, title, 22, weight=700), _text(_LEFT, 64, y_title, 13)]
    if not any(points for _, points in lines):
        return [*heading, _text(_LEFT, 90, "nothing was measured", 13)], _TOP + 40
    most_x = max(x for _, points in lines for x, _ in points) or 1
    most_y = max(y for _, points in lines for _, y in points) or 1
    elements = [*heading, _text((_LEFT + _RIGHT) / 2, _PLOT_HEIGHT - 24, x_title, 13, "middle")]
    for step in range(_GRID_LINES + 1):
        y = _BOTTOM - (_BOTTOM - _TOP) * step / _GRID_LINES
        elements.append(f'<path d="M{_LEFT} {y:g}H{_RIGHT}" stroke="#dde5ed"/>')
        elements.append(_text(_LEFT - 10, y + 4, f"{most_y * step / _GRID_LINES:.4g}", 12, "end"))
    for x in sorted({x for _, points in lines for x, _ in points}):
        at = _LEFT + (_RIGHT - _LEFT) * x / most_x
        elements.append(_text(at, _BOTTOM + 20, f"{x:g}", 12, "middle"))
    for index, line in enumerate(lines):
        elements += _line(line, index, most_x, most_y)
    return elements, _PLOT_HEIGHT


def _line(line: Line, index: int, most_x: float, most_y: float) -> Iterator[str]:
    name, points = line
    colour = _COLOURS[index % len(_COLOURS)]
    corners = [
        (_LEFT + (_RIGHT - _LEFT) * x / most_x, _BOTTOM - (_BOTTOM - _TOP) * y / most_y)
        for x, y in points
    ]
    path = "L".join(f"{x:.5g} {y:.5g}" for x, y in corners)
    if path:
        yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="3"/>'
    for (x, y), (count, value) in zip(corners, points, strict=True):
        yield f'<circle cx="{x:.5g}" cy="{y:.5g}" r="5" fill="{colour}">'
        yield f"<title>{escape(printable(name))}: {value:g} at {count:g}</title></circle>"
    left = _LEFT + 130 * index
    yield f'<circle cx="{left}" cy="{_PLOT_HEIGHT - 28}" r="5" fill="{colour}"/>'
    yield _text(left + 12, _PLOT_HEIGHT - 24, name, 13)


def matrix(title: str, subtitle: str, cells: Mapping[tuple[int, int], float]) -> Part:
    """Draw a rate for each row and column: the higher, the darker, but never too dark to read."""
    elements = [_text(_LEFT, 40, title, 22, weight=700), _text(_LEFT, 64, subtitle, 13)]
    rows, columns = sorted({row for row, _ in cells}), sorted({column for _, column in cells})
    width = min(_CELL, (_RIGHT - _LEFT) / max(1, len(columns)))
    size = min(12.0, width / 4)
    most = max(cells.values(), default=0) or 1
    for index, column in enumerate(columns):
        middle = _LEFT + (index + 0.5) * width - 2
        elements.append(_text(middle, _TOP + 14, str(column), size, "middle"))
    for row_place, row in enumerate(rows):
        top = _TOP + 24 + row_place * 30
        elements.append(_text(_LEFT - 10, top + 18, f"node {row}", 12, "end"))
        for index, column in enumerate(columns):
            if (value := cells.get((row, column))) is not None:
                box = Box(x=_LEFT + index * width, y=top, width=width - 4, height=26)
                colour = shapes.pastel(shapes.PALETTE[0], 0.92 - 0.5 * value / most)
                elements.append(shapes.rect(box, f'rx="5" fill="{colour}"'))
                middle = box.x + box.width / 2
                elements.append(_text(middle, top + 18, f"{value:.3g}", size, "middle"))
    return elements, _TOP + 24 + 30 * len(rows) + 30


def _text(
    x: float, y: float, words: str, size: float, anchor: str = "start", *, weight: int = 400
) -> str:
    return (
        f'<text x="{x:.5g}" y="{y:.5g}" text-anchor="{anchor}" '
        f'style="font-size:{size:g}px;font-weight:{weight}">{escape(printable(words))}</text>'
    )
