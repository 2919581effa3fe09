"""Colour for terminals, or none."""

from dataclasses import dataclass
from typing import Final

PALETTE: Final = (33, 166, 28, 163, 136, 30, 160, 99)
"""Of the 256 colours those that are told apart, and stand out on black as on white."""
_GREY: Final = 245
_WARNING: Final = 166
_BOLD: Final = "1"
_REVERSE: Final = "7"


@dataclass(frozen=True, slots=True)
class Ink:
    """Writes in colour, or plainly where it is not enabled."""

    enabled: bool

    def of_set(self, text: str, colour: int) -> str:
        """Write in a set's colour, by its number."""
        return self._write(text, PALETTE[colour % len(PALETTE)])

    def cut_out(self, text: str, colour: int) -> str:
        """Cut letters out of a set's colour, so that they are part of its blocks."""
        return self._write(text, PALETTE[colour % len(PALETTE)], _REVERSE)

    def faint(self, text: str) -> str:
        """Write what is in the background: shared cores."""
        return self._write(text, _GREY)

    def warning(self, text: str) -> str:
        """Write what should not be overlooked."""
        return self._write(text, _WARNING, _BOLD)

    def strong(self, text: str) -> str:
        """Write a heading."""
        return f"\x1b[{_BOLD}m{text}\x1b[0m" if self.enabled else text

    def _write(self, text: str, colour: int, style: str = "") -> str:
        if not self.enabled:
            return text
        return f"\x1b[{f'{style};' if style else ''}38;5;{colour}m{text}\x1b[0m"
