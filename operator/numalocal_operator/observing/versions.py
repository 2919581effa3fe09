"""Which of two looks at an object is the newer, and for how long the end of one is remembered."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from numalocal_operator.worklist import Key

GONE_S: Final = 120.0
"""How long what is gone is remembered: the answer of a write before its end may come that late."""
FOR_EVER: Final = 1 << 64
"""As of this version something is gone whose end nobody told the version of."""

Raw = Mapping[str, Any]


class Gone:
    """Objects that are gone, by uid, as of a version."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ended: dict[str, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._ended)

    def add(self, uid: str, version: int) -> None:
        """Remember one, and forget those that have long been: the oldest are first."""
        now_s = self._clock()
        self._ended.pop(uid, None)
        self._ended[uid] = now_s, version
        while (oldest := next(iter(self._ended))) and self._ended[oldest][0] < now_s - GONE_S:
            del self._ended[oldest]

    def has(self, uid: str, version: int) -> bool:
        """Tell whether one was gone after it had a version."""
        return uid in self._ended and version < self._ended[uid][1]

    def doubt(self, uid: str) -> None:
        """Forget an end of which nobody told the version: it may have been a guess."""
        if self._ended.get(uid, (0.0, 0))[1] == FOR_EVER:
            del self._ended[uid]


def key_of(metadata: Raw) -> Key:
    """Give namespace and name."""
    return str(metadata.get("namespace")), metadata["name"]


def version_of(metadata: Raw) -> int:
    """Read a resourceVersion, which grows with every change of any object; -1 where it is none."""
    text = metadata.get("resourceVersion")
    return int(text) if isinstance(text, str) and text.isdecimal() else -1


def is_old(version: int, known: int) -> bool:
    """Tell whether a version brings no news; one that nobody knows does."""
    return -1 < version < known or (version == known > -1)
