"""By which numbers of its pool a pod was made: written on it, and read from it."""

import re
from typing import Final

from numalocal.worker.inject import PoolNumbers

_NOTHING: Final = "unknown"
_WRITTEN: Final = re.compile(r"cpus=([1-9][0-9]{0,8})(?:,memory=([1-9][0-9]{0,18}))?", re.ASCII)


def write(numbers: PoolNumbers) -> str:
    """Write CPUs and, where they were used, bytes of a set; or that nothing was known."""
    if numbers.cpus_per_set is None:
        return _NOTHING
    memory = "" if numbers.set_bytes is None else f",memory={numbers.set_bytes}"
    return f"cpus={numbers.cpus_per_set}{memory}"


def read(text: str) -> PoolNumbers | None:
    """Read what was written; None for anything else, or where it is gone."""
    if text == _NOTHING:
        return PoolNumbers()
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return None
    memory = found[2]
    return PoolNumbers(cpus_per_set=int(found[1]), set_bytes=int(memory) if memory else None)
