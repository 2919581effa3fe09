"""Logs written by a thread of their own: who answers the runtime must not wait for who reads them.

What a container logs is a pipe that the container runtime empties.  On a busy node it may not, and
a write to a full pipe waits; the runtime gives an answer of ours two seconds.
"""

import logging
import queue
import threading
from logging.handlers import QueueHandler
from typing import Final

_MOST_WAITING: Final = 4096
"""Records that are kept while nobody reads; what is logged beyond them is lost."""
_END_S: Final = 1.0


class Aside(QueueHandler):
    """Take records for another handler, which one thread of ours calls; loses what is too much."""

    def __init__(self, to: logging.Handler) -> None:
        super().__init__(queue.Queue(_MOST_WAITING))
        self._to = to
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Leave a record as it is: the other handler's format is not this one's."""
        return record

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Lose a record for which there is no room: to say so would be to wait as well."""

    def close(self) -> None:
        """Wait for what is left to be written, a second at most: nobody may be reading."""
        try:
            self.queue.put_nowait(None)
        except queue.Full:
            return
        finally:
            super().close()
        self._thread.join(_END_S)

    def _write(self) -> None:
        while (record := self.queue.get()) is not None:
            self._to.handle(record)


def write_aside() -> None:
    """Have all handlers of the root logger called by a thread."""
    root = logging.getLogger()
    root.handlers = [Aside(one) for one in root.handlers]
