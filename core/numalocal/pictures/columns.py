"""Tables that keep within a terminal's width: what is too wide goes on in the next line."""

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Final

_GAP: Final = "  "
_LEAST: Final = 6
"""A column is never narrower: a line is rather too long than every word in pieces."""
_BREAK: Final = re.compile(r"(?<=[,|\s])(?![,|\s])")
"""Behind commas, bars and blanks: lists and sentences go on in the next line."""


def columns(rows: Sequence[Sequence[str]], width: int, indent: str = "") -> str:
    """Lay rows of as many cells each out in columns, no wider than `width` as far as can be.

    Columns that can be broken between words give way first, those that have most room to.
    """
    room = width - len(indent) - len(_GAP) * (len(rows[0]) - 1)
    widths = _widths(list(zip(*rows, strict=True)), room)
    lines = []
    for row in rows:
        cells = [wrapped(cell, most) for cell, most in zip(row, widths, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            padded = (part.ljust(most) for part, most in zip(parts, widths, strict=True))
            lines.append(f"{indent}{_GAP.join(padded)}".rstrip())
    return "\n".join(lines)


def wrapped(text: str, width: int) -> list[str]:
    """Break a text where it can be, and a word only where it must be."""
    lines = [""]
    for piece in _BREAK.split(text):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
        while len(lines[-1].rstrip()) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return [line.rstrip() for line in lines]


def _widths(cells: Sequence[Sequence[str]], room: int) -> list[int]:
    """Share the room out, given the cells of each column."""
    widths = [max(map(len, one)) for one in cells]
    for least in ([_longest_piece(one) for one in cells], [_LEAST] * len(cells)):
        while (over := sum(widths) - room) > 0:
            spare = [most - few for most, few in zip(widths, least, strict=True)]
            roomiest = max(range(len(spare)), key=spare.__getitem__)
            if spare[roomiest] <= 0:
                break
            second = max([0, *(one for one in spare if one < spare[roomiest])])
            widths[roomiest] -= min(over, spare[roomiest] - second)
    return widths


def _longest_piece(cells: Iterable[str]) -> int:
    return max(len(piece.rstrip()) for cell in cells for piece in _BREAK.split(cell))
