"""Colour for terminals, or none."""

from dataclasses import dataclass
from typing import Final

_PALETTE: Final = (39, 208, 77, 170, 220, 45, 203, 112)
"""Of the 256 colours those that are told apart on dark and light."""
_GREY: Final = 245
_WARNING: Final = 208


@dataclass(frozen=True, slots=True)
class Ink:
    """Writes in colour, or plainly where it is not enabled."""

    enabled: bool

    def of_set(self, text: str, place: int, *, used: bool) -> str:
        """Write in the colour of the set at a place of the machine's list; used ones in bold."""
        return self._write(text, _PALETTE[place % len(_PALETTE)], bold=used)

    def faint(self, text: str) -> str:
        """Write what is in the background: shared cores."""
        return self._write(text, _GREY, bold=False)

    def warning(self, text: str) -> str:
        """Write what should not be overlooked."""
        return self._write(text, _WARNING, bold=True)

    def strong(self, text: str) -> str:
        """Write a heading."""
        return f"\x1b[1m{text}\x1b[0m" if self.enabled else text

    def _write(self, text: str, colour: int, *, bold: bool) -> str:
        if not self.enabled:
            return text
        return f"\x1b[{'1;' if bold else ''}38;5;{colour}m{text}\x1b[0m"
