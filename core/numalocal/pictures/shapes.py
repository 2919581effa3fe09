"""The drawing's elements and colours, as SVG 1.1 that every program reads."""

from html import escape
from typing import Final

from numalocal.pictures.boxes import Box
from numalocal.pictures.cells import State
from numalocal.pictures.words import printable, shortened

STYLE: Final = (
    "text{font-family:Inter,'Helvetica Neue',Arial,'DejaVu Sans',sans-serif;font-size:12px;"
    "fill:#1f2933}"
    ".h{font-size:26px;font-weight:700}.s{font-size:14px;fill:#52606d}"
    ".p{font-size:16px;font-weight:600}.n{font-size:15px;font-weight:600}"
    ".c{font-size:13px;font-weight:600}.b{font-weight:600}.g{fill:#616e7c}"
    ".m{text-anchor:middle}.e{text-anchor:end}.w{fill:#b44d12;font-weight:600}"
)
PALETTE: Final = (
    "#2b6cd4",
    "#d9660f",
    "#0d8f83",
    "#8a4fd6",
    "#d12f6d",
    "#5b8f14",
    "#0b84b5",
    "#a8740a",
)
"""Colours of neighbouring sets, as dark as each other and far enough apart for most eyes."""
FRAME: Final = 'fill="#f7f9fb" stroke="#d3dce5"'
"""The looks of what shares a cache."""
MEMORY: Final = "#7b93ab"
HUGE: Final = "#46586a"
_SHARED: Final = "#d3d9e0"
_WARNING: Final = "#c0392b"
_EM: Final = 0.6
"""The width of a letter in a wide font, in parts of the font's size."""


def rect(box: Box, attributes: str) -> str:
    """Draw a rectangle."""
    return (
        f'<rect x="{number(box.x)}" y="{number(box.y)}" width="{number(box.width)}" '
        f'height="{number(box.height)}" {attributes}/>'
    )


def text(x: float, y: float, words: str, style: str) -> str:
    """Write a line; names are made harmless here, wherever they come from."""
    said = escape(printable(words))
    return f'<text x="{number(x)}" y="{number(y)}" class="{style}">{said}</text>'


def number(size: float) -> str:
    """Write a length, as exact as eyes are."""
    return f"{round(size, 1):g}"


def fitting(words: str, width: float, size: float = 12) -> str:
    """Cut words to a width."""
    return shortened(words, letters(width, size))


def letters(width: float, size: float) -> int:
    """Say how many letters of a font's size fit."""
    return int(width / (size * _EM))


def fill(state: State, colour: str) -> str:
    """Give the looks of a core by its state and its set's colour."""
    match state:
        case State.USED:
            return f'fill="{colour}"'
        case State.FREE:
            return f'fill="{pastel(colour, 0.78)}" stroke="{pastel(colour, 0.35)}"'
        case State.SHARED:
            return f'fill="{_SHARED}"'
        case State.WITHHELD:
            return f'fill="#fff" stroke="{_SHARED}"'
        case State.OFFLINE:
            return f'fill="#fff" stroke="{_WARNING}" stroke-dasharray="3 2"'
        case State.FORBIDDEN:
            return 'fill="#fff" stroke="#9aa5b1" stroke-dasharray="3 2"'


def core(box: Box, state: State, colour: str, threads: int) -> str:
    """Draw a core, split into its threads; crossed out where it is offline."""
    parts = [rect(box, f'rx="{number(box.width / 6)}" {fill(state, colour)}')]
    cuts = "".join(
        f"M{number(box.x + box.width * cut / threads)} {number(box.y)}v{number(box.height)}"
        for cut in range(1, threads)
    )
    if cuts:
        wide = number(max(0.8, min(1.6, box.width / threads / 8)))
        line = "#fff" if state in (State.USED, State.SHARED) else "#c3cbd4"
        line = pastel(colour, 0.35) if state is State.FREE else line
        parts.append(f'<path d="{cuts}" stroke="{line}" stroke-width="{wide}"/>')
    if state is State.OFFLINE:
        x, y, side = number(box.x), number(box.y), number(box.width)
        cross = f"M{x} {y}l{side} {side}m0 -{side}l-{side} {side}"
        parts.append(f'<path d="{cross}" stroke="{_WARNING}"/>')
    return "".join(parts)


def pastel(colour: str, white: float) -> str:
    """Mix a colour with white."""
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * white):02x}" for part in parts)
