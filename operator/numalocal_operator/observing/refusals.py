"""What was not to be had for a worker a moment ago: it need not be asked for at every event."""

from collections.abc import Callable
from threading import Lock
from typing import Final, NamedTuple

from numalocal_operator.worklist import Key

REFUSED_S: Final = 60.0
"""How long a refusal counts: what made it may be mended without an event."""


class _Refusal(NamedTuple):
    generation: int
    until_s: float
    why: str


class Refusals:
    """Refusals by worker, for one minute, or until it asks for something else.

    All threads may use it.  The clock gives seconds and only goes forward.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._found: dict[Key, _Refusal] = {}

    def note(self, key: Key, generation: int, why: str) -> None:
        """Note why something was refused to a worker of a generation."""
        now_s = self._clock()
        with self._lock:
            fresh = {name: one for name, one in self._found.items() if one.until_s > now_s}
            self._found = fresh | {key: _Refusal(generation, now_s + REFUSED_S, why)}

    def of(self, key: Key, generation: int) -> str:
        """Give why it would be refused again; empty where it may be tried."""
        found = self._found.get(key)
        if found is None or found.generation != generation or found.until_s <= self._clock():
            return ""
        return found.why
