"""Pods that have one of a worker's names and may be anybody's: known by a look, for a while."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from numalocal_operator.observing.observed import ObservedPod
from numalocal_operator.worklist import Key

FOREIGN_S: Final = 30.0
"""How long such a pod counts once it was read: it has no events."""

Seen = ObservedPod | Exception
"""A pod, or what went wrong when it was looked at."""


class _Foreign(NamedTuple):
    until_s: float
    pod: Seen


class Foreign:
    """Pods in workers' way, by uid; for one thread at a time.

    The clock gives seconds and only goes forward.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._found: dict[Key, dict[str, _Foreign]] = {}

    def put(self, key: Key, uid: str, pod: Seen) -> None:
        """Take a pod that was read just now."""
        self._found.setdefault(key, {})[uid] = _Foreign(self._clock() + FOREIGN_S, pod)

    def see(self, uid: str, pod: Seen | None) -> frozenset[Key]:
        """Let a pod be as it is now, None = gone; give the workers in whose way it was."""
        found = [key for key, those in self._found.items() if uid in those]
        for key in found:
            if pod is None:
                del self._found[key][uid]
            else:
                self._found[key][uid] = self._found[key][uid]._replace(pod=pod)
        return frozenset(found)

    def of(self, key: Key) -> Mapping[str, Seen]:
        """Give those of a worker, and forget what was read too long ago."""
        now_s = self._clock()
        held = {uid: one for uid, one in self._found.pop(key, {}).items() if one.until_s > now_s}
        if held:
            self._found[key] = held
        return {uid: one.pod for uid, one in held.items()}

    def left_s(self, key: Key) -> float | None:
        """Give the seconds until the first of a worker's is forgotten; None where there is none."""
        ends = [one.until_s for one in self._found.get(key, {}).values()]
        return min(ends) - self._clock() if ends else None

    def drop(self, key: Key) -> None:
        """Forget those of a worker that is gone."""
        self._found.pop(key, None)
