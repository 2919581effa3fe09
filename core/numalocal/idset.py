"""Sets of CPU ids or NUMA node ids, in the kernel's list format both ways."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from numalocal.errors import ListInvalid

_MOST_SHOWN = 60
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF,")

MAX_ID = 8191
"""The highest id that Linux can give: CONFIG_NR_CPUS is at most 8192, nodes are at most 1024.

The binder has the same (native/idlist.h).
"""


class IdSet(frozenset[int]):
    """An immutable set of ids; iterates in ascending order.

    The text form is the list format of `Cpus_allowed_list` and `cpuset.cpus`
    (Documentation/admin-guide/cgroup-v2.rst): ascending, ranges joined, no blanks.
    """

    __slots__ = ("_text",)
    _text: str
    """Written once: an agent tells the same thousand CPUs for each of a hundred containers."""

    @classmethod
    def of(cls, ids: Iterable[int]) -> "IdSet":
        """Make a set of the ids given, in any order and with repetitions."""
        return cls(ids)

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
        last = -1
        # In order, each id is met once: a short text may name all of them thousands of times.
        for span in sorted((_span(part, text) for part in stripped.split(",")), key=_start):
            ids.update(range(max(span.start, last + 1), span.stop))
            last = max(last, span.stop - 1)
        return cls(ids)

    @classmethod
    def parse_mask(cls, text: str) -> "IdSet":
        """Read the kernel's hexadecimal mask: words joined by commas, the highest ids first.

        Raises:
            ListInvalid: for anything else.
        """
        stripped = text.strip()
        if not stripped or not _HEXADECIMAL.issuperset(stripped):
            raise ListInvalid(
                f"mask {_shown(text)} is not hexadecimal words such as 00000000,0000000f"
            )
        # All words are full but the first, the highest, which may be short.
        bits = int(stripped.replace(",", "") or "0", 16)
        if bits.bit_length() > MAX_ID + 1:
            raise ListInvalid(
                f"mask {_shown(text)}: id {bits.bit_length() - 1} is above the highest id {MAX_ID}"
            )
        return cls.of(place for place, bit in enumerate(reversed(f"{bits:b}")) if bit == "1")

    @property
    def first(self) -> int:
        """The lowest id; ValueError on the empty set."""
        return min(frozenset.__iter__(self))

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(frozenset.__iter__(self)))

    def __or__(self, other: AbstractSet[int]) -> "IdSet":  # type: ignore[override]
        return IdSet(frozenset.__or__(self, other))

    def __and__(self, other: AbstractSet[object]) -> "IdSet":
        return IdSet(frozenset.__and__(self, other))

    def __sub__(self, other: AbstractSet[object]) -> "IdSet":
        return IdSet(frozenset.__sub__(self, other))

    def isdisjoint(self, other: Iterable[object]) -> bool:
        """Tell whether none is in both.

        The built-in one would walk another IdSet in ascending order, which takes ten times as long,
        and the agent asks it of each set and core of its machine.
        """
        return not frozenset.intersection(self, other)

    def __repr__(self) -> str:
        return f"IdSet.parse({str(self)!r})"

    def __str__(self) -> str:
        if not hasattr(self, "_text"):
            spans = (f"{low}" if low == high else f"{low}-{high}" for low, high in _runs(self))
            self._text = ",".join(spans)
        return self._text


def union(sets: Iterable[IdSet]) -> IdSet:
    """Join any number of sets; none gives the empty set."""
    return IdSet(frozenset().union(*sets))


def _number(digits: str) -> int:
    """Read digits; of too many the first do, as int() refuses thousands."""
    return int(digits.lstrip("0")[: len(str(MAX_ID)) + 1] or "0")


def _span(part: str, text: str) -> range:
    start, dash, end = part.partition("-")
    if not (part.isascii() and start.isdigit() and (end.isdigit() or not dash)):
        raise ListInvalid(
            f"list {_shown(text)}: {_shown(part)} is neither an id nor a range such as 0-3"
        )
    low = _number(start)
    high = _number(end or start)
    if high > MAX_ID:
        raise ListInvalid(f"list {_shown(text)}: id {high} is above the highest id {MAX_ID}")
    if high < low:
        raise ListInvalid(
            f"list {_shown(text)}: range {_shown(part)} runs backwards; write {high}-{low}"
        )
    return range(low, high + 1)


def _start(span: range) -> int:
    return span.start


def _shown(text: str) -> str:
    """Quote a text, cut where it is long."""
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}...")


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
