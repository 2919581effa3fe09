"""The characters of the terminal's picture: one for each core, in rows that fit, and the legend."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from string import ascii_letters
from typing import Final

from numalocal.machine.model import Kind
from numalocal.pictures.cells import Cell, CellGroup, State, colour_numbers
from numalocal.pictures.ink import Ink
from numalocal.sets.cpusets import CpuSet

CACHE: Final = "│"
_OTHERS: Final = {State.WITHHELD: "○", State.OFFLINE: "×", State.FORBIDDEN: "·"}
_KINDS: Final[Mapping[Kind | None, str]] = {None: "", "performance": "P ", "efficiency": "E "}

CellRow = tuple[str, Sequence[Cell | None]]
"""What stands before the cores, and the cores; None where the next cache begins."""
_Look = tuple[int, bool] | None
"""The number of the set's colour, and whether it is its letter; None: no set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """A core's character by its state; free sets take turns, so that neighbours are told apart."""

    shared: str
    free: tuple[str, str]
    used: str


FULL: Final = Glyphs(shared="░", free=("▒", "▓"), used="█")
LOW: Final = Glyphs(shared="▁", free=("▂", "▃"), used="▄")
"""Efficiency cores are as wide as others and not as high."""


class Signs:
    """The characters of one picture: letters for used sets, two shades for free ones."""

    def __init__(self, sets: Sequence[CpuSet], used_by: Mapping[str, str]) -> None:
        used = [one.id for one in sets if one.id in used_by]
        self.letters = {
            one: ascii_letters.swapcase()[index % len(ascii_letters)]
            for index, one in enumerate(used)
        }
        self._colours = colour_numbers(sets, used_by)
        self._shades: dict[str, int] = {}
        shade = 1
        for one in sets:
            # Beside a used set any shade will do, so only free neighbours take turns.
            shade = 1 if one.id in used_by else 1 - shade
            self._shades[one.id] = shade

    def of_set(self, one: CpuSet, state: State, ink: Ink) -> str:
        """Give a set's sign in the table: its letter if it is used, else its shade."""
        if state is State.WITHHELD:
            return ink.faint(_OTHERS[state])
        colour = self._colours[one.id]
        if one.id in self.letters:
            return ink.cut_out(self.letters[one.id], colour)
        return ink.of_set(FULL.free[self._shades[one.id]], colour)

    def plain(self, row: CellRow) -> Iterator[str]:
        """Give the characters of a row's cores; a used set's cores begin with its letter."""
        before: Cell | None = None
        for cell in row[1]:
            if cell is None:
                yield CACHE
                continue
            begins = before is None or before.owner is not cell.owner or before.state != cell.state
            yield self._glyph(cell, begins=begins)
            before = cell

    def written(self, row: CellRow, ink: Ink) -> str:
        """Write a row in colour, or plainly."""
        looks = (self._look(cell, sign) for cell, sign in zip(row[1], self.plain(row), strict=True))
        runs = groupby(zip(looks, self.plain(row), strict=True), key=lambda one: one[0])
        return row[0] + "".join(
            _coloured("".join(sign for _, sign in run), look, ink) for look, run in runs
        )

    def _glyph(self, cell: Cell, *, begins: bool) -> str:
        glyphs = LOW if cell.core.kind == "efficiency" else FULL
        match cell.state:
            case State.WITHHELD | State.OFFLINE | State.FORBIDDEN:
                return _OTHERS[cell.state]
            case State.USED if cell.owner:
                return self.letters[cell.owner.id] if begins else glyphs.used
            case State.FREE if cell.owner:
                return glyphs.free[self._shades[cell.owner.id]]
        return glyphs.shared

    def _look(self, cell: Cell | None, sign: str) -> _Look:
        if cell is None or cell.owner is None or cell.state not in (State.FREE, State.USED):
            return None
        return self._colours[cell.owner.id], sign.isalpha()


def _coloured(signs: str, look: _Look, ink: Ink) -> str:
    if look is None:
        return ink.faint(signs)
    colour, letter = look
    return ink.cut_out(signs, colour) if letter else ink.of_set(signs, colour)


def rows(groups: Sequence[CellGroup], width: int) -> Iterator[CellRow]:
    """Lay a node's cores into rows that fit, broken between caches as far as those fit.

    The kinds of a hybrid machine's cores never share a row.
    """
    for kind, members in groupby(groups, key=lambda group: group.kind):
        mark = _KINDS[kind]
        for cells in _packed([group.cells for group in members], max(1, width - len(mark))):
            yield mark, cells


def _packed(groups: Iterable[Sequence[Cell]], width: int) -> Iterator[Sequence[Cell | None]]:
    row: list[Cell | None] = []
    for cells in groups:
        if row and len(row) + 1 + len(cells) > width:
            yield row
            row = []
        elif row:
            row.append(None)
        row += cells
        while len(row) > width:
            yield row[:width]
            row = row[width:]
    yield row


def legend(lines: Sequence[CellRow], signs: Signs, locality: str) -> list[str]:
    """Explain the characters that were drawn, and no others."""
    drawn = {sign for row in lines for sign in signs.plain(row)}
    letters = sorted(sign for sign in drawn if sign.isalpha())
    used = "".join([*letters[:1], *(sign for sign in (FULL.used, LOW.used) if sign in drawn)])
    low = "".join(sign for sign in (LOW.shared, *LOW.free, LOW.used) if sign in drawn)
    free = "".join(sign for sign in (*FULL.free, *LOW.free) if sign in drawn)
    shared = "".join(sign for sign in (FULL.shared, LOW.shared) if sign in drawn)
    kinds = {row[0].strip() for row in lines}
    words = (
        (shared, "shared core"),
        (free, "core of a free set"),
        (used, "core of a used set"),
        ("○" if "○" in drawn else "", "core of a set that cannot be given"),
        ("×" if "×" in drawn else "", "core that is offline"),
        ("·" if "·" in drawn else "", "core not allowed to this process"),
        (CACHE if CACHE in drawn else "", f"next {locality}"),
        ("P" if "P" in kinds else "", "performance cores"),
        (" ".join(["E", low]).rstrip() if "E" in kinds else "", "efficiency cores"),
    )
    return [f"{sign} {said}" for sign, said in words if sign]
