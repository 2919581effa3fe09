"""Sets as the kernel writes them."""

from collections.abc import Iterable
from itertools import groupby

WORD = 32


def listed(ids: Iterable[int]) -> str:
    """Write the list format, such as 0-3,8."""
    runs = (
        [one for _, one in run]
        for _, run in groupby(enumerate(sorted(ids)), key=lambda pair: pair[1] - pair[0])
    )
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def masked(ids: Iterable[int], width: int) -> str:
    """Write the mask of so many bits: words of 32, the highest first and only as long as needed."""
    bits = sum(1 << one for one in ids)
    words = []
    for low in reversed(range(0, width, WORD)):
        digits = (min(WORD, width - low) + 3) // 4
        words.append(f"{bits >> low & 0xFFFFFFFF:0{digits}x}")
    return ",".join(words)
