"""A table that stays below the lines of the engines while they run."""

import sys
from threading import Lock
from typing import TextIO

_UP_AND_CLEAR = "\x1b[{lines}F\x1b[J"


class Board:
    """Lines above, one table below; on a terminal the table is drawn anew in its place.

    Anywhere else there are the lines alone: a log is not drawn over.
    """

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._lock = Lock()
        self._table = ""

    def line(self, text: str) -> None:
        """Write a line above the table; from any thread."""
        with self._lock:
            self._write(f"  | {text}\n")

    def show(self, table: str) -> None:
        """Put another table in the place of the last."""
        with self._lock:
            if self._stream.isatty() and table != self._table:
                erased, self._table = self._table, table
                self._write("", erased)

    def clear(self) -> None:
        """Take the table away."""
        self.show("")

    def _write(self, lines: str, erased: str | None = None) -> None:
        erased = self._table if erased is None else erased
        up = _UP_AND_CLEAR.format(lines=erased.count("\n") + 1) if erased else ""
        table = f"{self._table}\n" if self._table else ""
        self._stream.write(f"{up}{lines}{table}")
        self._stream.flush()
