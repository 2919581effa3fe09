"""What is wrong with one field of a document."""

import reprlib
from typing import Final, NamedTuple

MAX_SHOWN: Final = 80
"""Characters of a value in a message."""
_MAX_PATH: Final = 200


class Problem(NamedTuple):
    """One problem: the field's path (`spec.memory.perRank`), its value, and what would be right.

    Its text is one line that a terminal shows as it stands: documents are anybody's, so values are
    clipped, and control characters are escaped in values and paths alike.
    """

    path: str
    value: object
    message: str

    def __str__(self) -> str:
        return f"{printable(self.path, _MAX_PATH)}: {shown(self.value)} {self.message}"


def shown(value: object) -> str:
    """Write a value in one short line; what is no text, list or mapping as YAML has it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return clipped(repr(clipped(value, MAX_SHOWN)), MAX_SHOWN)
        case _:
            return clipped(_SHORT.repr(value), MAX_SHOWN)


def printable(text: str, most: int = MAX_SHOWN) -> str:
    """Escape what a terminal would act on, and leave out the middle of what is too long."""
    return clipped(escaped(clipped(text, most)), most)


def escaped(text: str, *, but: str = "") -> str:
    """Write control characters, those of `but` excepted, as Python's escapes."""
    return "".join(one if one.isprintable() or one in but else repr(one)[1:-1] for one in text)


def clipped(text: str, most: int) -> str:
    """Leave out the middle of what is too long."""
    if len(text) <= most:
        return text
    tail = most // 3
    return f"{text[: most - tail - 3]}...{text[-tail:]}"


class _Short(reprlib.Repr):
    """Python's own short form, which looks at a few entries and levels only."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxstring = 2, 3, 3, 40

    def repr_int(self, number: int, _level: int) -> str:
        """Write a number of any size: decimal digits beyond some thousands are an error."""
        return str(number) if number.bit_length() <= 256 else f"{number:#x}"  # noqa: PLR2004


_SHORT: Final = _Short()
