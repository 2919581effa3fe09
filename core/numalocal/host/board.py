"""A table that stays below the lines of the engines while they run."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Final, Protocol

from numalocal.pictures.words import shortened

_UP_AND_CLEAR: Final = "\x1b[{rows}F\x1b[J"
_INTERVAL_S: Final = 0.1


def terminal_size() -> tuple[int, int]:
    """Give the columns and rows of the terminal as it is now: people drag its corners."""
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return 80, 24
    return size.columns or 80, size.lines or 24


class Screen(Protocol):
    """What a board draws on."""

    def write(self, text: str, /) -> object:
        """Take text."""

    def flush(self) -> None:
        """Show what was written."""

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""


class Board:
    """Lines above, one table below; on a terminal the table is drawn anew in its place.

    Anywhere else there are the lines alone: a log is not drawn over.  The table is cut to the
    terminal, as what is wrapped or scrolled away cannot be drawn over.  `shown` makes of a text
    what the terminal can show, character for character.
    """

    def __init__(
        self,
        stream: Screen = sys.stdout,
        *,
        size: Callable[[], tuple[int, int]] = terminal_size,
        shown: Callable[[str], str] = str,
    ) -> None:
        self._stream = stream
        self._size = size
        self._shown = shown
        self._lock = Lock()
        self._table = ""
        self._drawn: list[str] = []

    def line(self, text: str) -> None:
        """Write a line above the table; from any thread."""
        with self._lock:
            self._draw(f"  | {text}\n")

    def show(self, table: str) -> None:
        """Put another table in the place of the last."""
        with self._lock:
            if self._stream.isatty() and table != self._table:
                self._table = table
                self._draw("")

    def clear(self) -> None:
        """Take the table away."""
        self.show("")

    @contextmanager
    def showing(self, table: Callable[[], str]) -> Iterator[None]:
        """Show what a table has become, again and again until the end; then take it away.

        By a thread of its own: a terminal that takes nothing, as after Ctrl-S, delays nobody else.
        """
        ended = Event()

        def draw() -> None:
            while not ended.wait(_INTERVAL_S):
                self.show(table())

        drawing = Thread(target=draw, daemon=True)
        drawing.start()
        try:
            yield
        finally:
            ended.set()
            drawing.join()
            self.clear()

    def _draw(self, above: str) -> None:
        columns, rows = self._size() if self._table or self._drawn else (80, 24)
        # A terminal that was made narrower has wrapped what was drawn.
        before = sum(max(1, -(-len(line) // columns)) for line in self._drawn)
        up = _UP_AND_CLEAR.format(rows=before) if before else ""
        self._drawn = self._cut(columns, rows)
        below = "".join(f"{line}\n" for line in self._drawn)
        self._stream.write(f"{up}{above}{below}")
        self._stream.flush()

    def _cut(self, columns: int, rows: int) -> list[str]:
        lines = self._table.split("\n") if self._table else []
        most = max(1, rows - 2)
        if len(lines) > most:
            lines = [*lines[: most - 1], f"… {len(lines) - most + 1} more lines"]
        return [self._shown(shortened(line, columns)) for line in lines]
