"""Standard output while engines run."""

import os
from typing import TextIO


class Outlet:
    """Passes text on until that fails, then keeps the error and swallows the rest.

    Nobody who reads an engine's output stops for it: the engine would block.  Writes past Python's
    own buffer, whose lock is not given up by a thread that waits for a slow reader.
    """

    def __init__(self, stream: TextIO) -> None:
        """Write where a stream does, which holds nothing back at this moment."""
        self._stream = stream
        self._file = stream.fileno()
        self.error: OSError | None = None

    def write(self, text: str) -> None:
        """Write, or do nothing once that has failed."""
        data = memoryview(text.encode(self._stream.encoding, "backslashreplace"))
        while data and self.error is None:
            try:
                data = data[os.write(self._file, data) :]
            except OSError as error:
                self.error = error

    def flush(self) -> None:
        """Do nothing: what is written is on its way."""

    def isatty(self) -> bool:
        """Tell whether a person looks."""
        return self._stream.isatty()

    @property
    def reader_gone(self) -> bool:
        """Tell whether nobody reads any more, as after `head` has seen enough."""
        return isinstance(self.error, BrokenPipeError)
