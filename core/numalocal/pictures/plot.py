"""A plot of rates by threads, as SVG."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

WIDTH: Final = 760
HEIGHT: Final = 440
_LEFT, _TOP, _RIGHT, _BOTTOM = 80, 80, 720, 370
_GRID_LINES: Final = 4
_COLOURS: Final = ("hsl(211 72% 46%)", "hsl(27 72% 46%)", "hsl(152 72% 36%)")

Line = tuple[str, Sequence[tuple[float, float]]]
"""A name and its points, x ascending; x and y are not negative."""


def draw(title: str, x_title: str, y_title: str, lines: Sequence[Line]) -> str:
    """Draw lines over common axes that begin at 0; a whole SVG document.

    Raises:
        ValueError: where there is no point at all.
    """
    return "\n".join(_elements(title, x_title, y_title, lines))


def _elements(title: str, x_title: str, y_title: str, lines: Sequence[Line]) -> Iterator[str]:
    most_x = max(x for _, points in lines for x, _ in points) or 1
    most_y = max(y for _, points in lines for _, y in points) or 1
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
    )
    yield f"<title>{escape(title)}</title>"
    yield "<style>text{font-family:Inter,'Helvetica Neue',Arial,sans-serif;fill:#1f2933}</style>"
    yield '<rect width="100%" height="100%" fill="#fbfcfd"/>'
    yield _text(_LEFT, 40, title, 22, weight=700)
    yield _text(_LEFT, 64, y_title, 13)
    yield _text((_LEFT + _RIGHT) / 2, HEIGHT - 24, x_title, 13, anchor="middle")
    for step in range(_GRID_LINES + 1):
        y = _BOTTOM - (_BOTTOM - _TOP) * step / _GRID_LINES
        yield f'<path d="M{_LEFT} {y:g}H{_RIGHT}" stroke="#dde5ed"/>'
        yield _text(_LEFT - 10, y + 4, f"{most_y * step / _GRID_LINES:.4g}", 12, anchor="end")
    for x in sorted({x for _, points in lines for x, _ in points}):
        at = _LEFT + (_RIGHT - _LEFT) * x / most_x
        yield _text(at, _BOTTOM + 20, f"{x:g}", 12, anchor="middle")
    for place, (name, points) in enumerate(lines):
        colour = _COLOURS[place % len(_COLOURS)]
        at_points = [
            (
                _LEFT + (_RIGHT - _LEFT) * x / most_x,
                _BOTTOM - (_BOTTOM - _TOP) * y / most_y,
            )
            for x, y in points
        ]
        path = "L".join(f"{x:.5g} {y:.5g}" for x, y in at_points)
        yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="3"/>'
        for (x, y), (count, value) in zip(at_points, points, strict=True):
            yield f'<circle cx="{x:.5g}" cy="{y:.5g}" r="5" fill="{colour}">'
            yield f"<title>{escape(name)}: {value:g} at {count:g}</title></circle>"
        yield _text(_LEFT + 130 * place, HEIGHT - 24, f"● {name}", 13, fill=colour)
    yield "</svg>"


def _text(
    x: float,
    y: float,
    words: str,
    size: int,
    *,
    weight: int = 400,
    anchor: str = "start",
    fill: str = "#1f2933",
) -> str:
    return (
        f'<text x="{x:.5g}" y="{y:.5g}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" style="fill:{fill}">{escape(words)}</text>'
    )
