"""Standard output while engines run."""

from typing import TextIO


class Outlet:
    """Passes text on until that fails, then keeps the error and swallows the rest.

    Nobody who reads an engine's output stops for it: the engine would block.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> None:
        """Write, or do nothing once that has failed."""
        if self.error is None:
            try:
                self._stream.write(text)
            except OSError as error:
                self.error = error

    def flush(self) -> None:
        """Pass on what was written."""
        if self.error is None:
            try:
                self._stream.flush()
            except OSError as error:
                self.error = error

    def isatty(self) -> bool:
        """Tell whether a person looks."""
        return self._stream.isatty()

    @property
    def reader_gone(self) -> bool:
        """Tell whether nobody reads any more, as after `head` has seen enough."""
        return isinstance(self.error, BrokenPipeError)
