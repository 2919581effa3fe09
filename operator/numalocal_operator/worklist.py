"""What to reconcile when: keys with due times, one entry a key, slower after each failure."""

import heapq
from typing import Final

Key = tuple[str, str]
"""Namespace and name of a worker."""

_FIRST_RETRY_S: Final = 1.0
_LONGEST_RETRY_S: Final = 120.0


class Worklist:
    """Keys that wait.  The caller tells the time, in seconds of any clock that only goes forward.

    A key that is added again while it waits keeps its earlier due time.
    """

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        # May hold later times of a key beside its own: they are dropped when they come up.
        self._heap: list[tuple[float, Key]] = []
        self._failures: dict[Key, int] = {}

    def add(self, key: Key, now_s: float, delay_s: float = 0.0) -> None:
        """Let a key be due after a delay."""
        due = now_s + delay_s
        if key not in self._due or due < self._due[key]:
            self._due[key] = due
            heapq.heappush(self._heap, (due, key))

    def take(self, now_s: float) -> Key | None:
        """Take the key that has been due longest; None where none is due yet."""
        due = self.next_due_s()
        if due is None or due > now_s:
            return None
        _, key = heapq.heappop(self._heap)
        del self._due[key]
        return key

    def next_due_s(self) -> float | None:
        """Give when the next key is due; None where none waits."""
        while self._heap:
            due, key = self._heap[0]
            if self._due.get(key) == due:
                return due
            heapq.heappop(self._heap)
        return None

    def succeeded(self, key: Key) -> None:
        """Forget a key's failures."""
        self._failures.pop(key, None)

    def failed(self, key: Key, now_s: float) -> float:
        """Let a key come again: after 1 s, doubled with every failure in a row, at most 120 s."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay_s = min(_FIRST_RETRY_S * 2.0 ** min(failures, 16), _LONGEST_RETRY_S)
        self.add(key, now_s, delay_s)
        return delay_s
