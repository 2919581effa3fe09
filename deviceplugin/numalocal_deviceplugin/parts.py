"""The agent's parts: threads that run until told to stop, and that are heard to be alive.

A part is alive as long as it asks whether to stop: its loop does so at every turn, so nothing else
has to be done for it.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

log = logging.getLogger(__name__)

LIMIT_S = 60.0
"""How long a part may be silent, unless it says otherwise."""


class Stop(threading.Event):
    """Tells one part to stop; every look at it is a heartbeat."""

    def __init__(self, limit_s: float = LIMIT_S, clock: Callable[[], float] = time.monotonic):
        super().__init__()
        self._limit_s = limit_s
        self._clock = clock
        self._beat_s = clock()

    def is_set(self) -> bool:
        """Tell whether to stop."""
        self._beat_s = self._clock()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait to be stopped, at most so many seconds; True = stop."""
        self._beat_s = self._clock()
        told = super().wait(timeout)
        self._beat_s = self._clock()
        return told

    @property
    def silent_s(self) -> float:
        """Seconds since the part looked last, as far as they are more than it may take; else 0."""
        silent_s = self._clock() - self._beat_s
        return silent_s if silent_s > self._limit_s else 0.0


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    stop: Stop
    thread: threading.Thread
    wake: Callable[[], None]


class Parts:
    """Run parts side by side; `on_end` is called when one ends that was not told to."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._parts: list[_Part] = []
        self._stopping = threading.Event()
        self.failed = ""

    def start(
        self,
        name: str,
        run: Callable[[Stop], None],
        *,
        limit_s: float = LIMIT_S,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """Start a part that runs until its Stop is set, and looks at it more often than the limit.

        One that waits for something else longer than that would be taken for dead.  `wake` lets a
        part that waits for something else look at its Stop at once.
        """
        stop = Stop(limit_s)
        thread = threading.Thread(target=self._run, args=(name, run, stop), name=name, daemon=True)
        self._parts.append(_Part(name, stop, thread, wake))
        thread.start()

    def stale(self) -> Iterator[str]:
        """Say of every part that is silent for too long since when."""
        for part in self._parts:
            if silent_s := part.stop.silent_s:
                yield f"{part.name}: no sign of life for {silent_s:.0f} s"

    def tell(self) -> None:
        """Tell all parts to stop."""
        self._stopping.set()
        for part in self._parts:
            part.stop.set()
            part.wake()

    def join(self, timeout_s: float) -> tuple[str, ...]:
        """Wait for all parts to end; name those that have not after so many seconds."""
        deadline_s = time.monotonic() + timeout_s
        for part in self._parts:
            part.thread.join(max(0.0, deadline_s - time.monotonic()))
        return tuple(part.name for part in self._parts if part.thread.is_alive())

    def _run(self, name: str, run: Callable[[Stop], None], stop: Stop) -> None:
        try:
            run(stop)
        except Exception:
            log.exception("a part of the agent failed", extra={"part": name})
        else:
            if self._stopping.is_set():
                return
            log.error("a part of the agent ended of itself", extra={"part": name})
        self.failed = self.failed or name
        self._on_end()
