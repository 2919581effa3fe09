"""Wait for what another thread does, without sleeping longer than it takes.

How fast the machine is decides nothing: what comes is awaited for long, as waiting costs nothing
where it comes at once, and what must not come is never proven by a short time.
"""

import time
from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 60.0
"""How long whatever has to happen may take: a busy machine may stand still for seconds."""


def until(condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(0.005)
