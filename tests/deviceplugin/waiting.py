"""Wait for what another thread does, without sleeping longer than it takes."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object], what: str, timeout_s: float = 5.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(0.005)
