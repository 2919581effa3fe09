"""How many inputs each target is given: few each time, and as many times more as is asked for."""

import os
from collections.abc import Callable
from random import Random
from typing import Final

TIMES: Final = int(os.environ.get("NUMALOCAL_HOSTILE_TIMES", "1"))
FIRST: Final = int(os.environ.get("NUMALOCAL_HOSTILE_FIRST", "0"))
_SHOWN = 20


def of(few: int) -> range:
    """Give the seeds of a target that takes so many in a short run."""
    return range(FIRST, FIRST + few * TIMES)


def each(seeds: range, check: Callable[[Random], object]) -> None:
    """Check the input of every seed, and name the first seed of every kind of fault."""
    faults: dict[str, int] = {}
    for seed in seeds:
        try:
            check(Random(seed))
        except Exception as error:
            faults.setdefault(f"{type(error).__name__}: {error}"[:200], seed)
    told = [f"seed {seed}: {said}" for said, seed in faults.items()]
    assert not faults, "\n".join(told[:_SHOWN])
