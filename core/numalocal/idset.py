"""Sets of CPU ids or NUMA node ids, in the kernel's list format both ways."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from numalocal.errors import ListInvalid

_PART = re.compile(r"(\d+)(?:-(\d+))?", re.ASCII)

MAX_ID = (1 << 20) - 1
"""Highest id accepted; far above the kernel's NR_CPUS, and small enough to expand a range."""


@dataclass(frozen=True, slots=True)
class IdSet:
    """An immutable set of ids; iterates in ascending order.

    The text form is the list format of `Cpus_allowed_list` and `cpuset.cpus`
    (Documentation/admin-guide/cgroup-v2.rst): ascending, ranges joined, no blanks.
    """

    ids: frozenset[int] = frozenset()

    @classmethod
    def of(cls, ids: Iterable[int]) -> "IdSet":
        """Make a set of the ids given, in any order and with repetitions."""
        return cls(frozenset(ids))

    @classmethod
    def parse(cls, text: str) -> "IdSet":
        """Read the kernel's list format; blanks around the text are allowed, `""` is empty.

        Raises:
            ListInvalid: for anything else, naming the part that is wrong.
        """
        stripped = text.strip()
        if not stripped:
            return cls()
        ids: set[int] = set()
        for part in stripped.split(","):
            ids.update(_span(part, text))
        return cls(frozenset(ids))

    @property
    def first(self) -> int:
        """The lowest id; ValueError on the empty set."""
        return min(self.ids)

    def isdisjoint(self, other: "IdSet") -> bool:
        """Tell whether no id is in both."""
        return self.ids.isdisjoint(other.ids)

    def __contains__(self, value: int) -> bool:
        return value in self.ids

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self.ids))

    def __len__(self) -> int:
        return len(self.ids)

    def __le__(self, other: "IdSet") -> bool:
        return self.ids <= other.ids

    def __or__(self, other: "IdSet") -> "IdSet":
        return IdSet(self.ids | other.ids)

    def __and__(self, other: "IdSet") -> "IdSet":
        return IdSet(self.ids & other.ids)

    def __sub__(self, other: "IdSet") -> "IdSet":
        return IdSet(self.ids - other.ids)

    def __str__(self) -> str:
        return ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in _runs(self))


def union(sets: Iterable[IdSet]) -> IdSet:
    """Join any number of sets; none gives the empty set."""
    return IdSet(frozenset().union(*(one.ids for one in sets)))


def _span(part: str, text: str) -> range:
    match = _PART.fullmatch(part)
    if match is None:
        raise ListInvalid(f"list {text!r}: {part!r} is neither an id nor a range such as 0-3")
    low = int(match[1])
    high = int(match[2] or match[1])
    if high > MAX_ID:
        raise ListInvalid(f"list {text!r}: id {high} is above the highest id {MAX_ID}")
    if high < low:
        raise ListInvalid(f"list {text!r}: range {part!r} runs backwards; write {high}-{low}")
    return range(low, high + 1)


def _runs(ids: IdSet) -> Iterator[tuple[int, int]]:
    """Yield the ascending, maximal runs of neighbouring ids as (lowest, highest)."""
    start: int | None = None
    last = -1
    for value in ids:
        if start is None:
            start = value
        elif value != last + 1:
            yield start, last
            start = value
        last = value
    if start is not None:
        yield start, last
