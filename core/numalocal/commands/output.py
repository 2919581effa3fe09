"""Print documents, pictures and lines, so that any terminal and any reader can take them."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Final

from numalocal.pictures import plain

_COERCED: Final = ("C.UTF-8", "C.utf8", "UTF-8")
_NO_TERMINAL: Final = 100
"""Characters of a line where no terminal tells: a log, a file, a program that reads."""
_LEAST: Final = 40
"""Narrower than that nothing can be read; a line is rather wrapped."""
_MOST: Final = 1000
_DIGITS: Final = 8
"""More of them are no number of columns."""


def document(content: Mapping[str, object]) -> None:
    """Print a JSON object, a line for each of its fields and for each member of a list."""
    fields = ",\n".join(f"  {json.dumps(name)}: {_value(value)}" for name, value in content.items())
    sys.stdout.write(f"{{\n{fields}\n}}\n")


def text(said: str) -> None:
    """Print lines as the terminal can show them."""
    print(shown(said))


def shown(said: str) -> str:
    """Make of a text what the terminal can show: it is ASCII where that is."""
    return plain.ascii_only(said) if _ascii() else said


def drawing(svg: str) -> None:
    """Print a drawing that is valid XML whatever the encoding of standard output."""
    print(svg.encode("ascii", "xmlcharrefreplace").decode("ascii"))


def width() -> int:
    """How many characters a line has: $COLUMNS, else the terminal's, 100 where there is none.

    Standard output may go to a pager: then standard error and input still are the terminal.
    """
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and columns.strip("0"):
        return min(max(_LEAST, int(columns[:_DIGITS])), _MOST)
    for stream in (1, 2, 0):
        try:
            if known := os.get_terminal_size(stream).columns:
                return max(_LEAST, known)
        except OSError:
            continue
    return _NO_TERMINAL


def colour() -> bool:
    """Colour is for terminals whose user does not set NO_COLOR (https://no-color.org)."""
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def _ascii() -> bool:
    """Tell whether the terminal, or what reads, takes ASCII alone.

    The locale tells, as POSIX reads it: the first of LC_ALL, LC_CTYPE and LANG that is not empty.
    Python makes UTF-8 of the locale C by setting LC_CTYPE (PEP 538); a C in LANG is meant.
    """
    chosen = [os.environ.get(name) or "" for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    if chosen[2] in ("C", "POSIX") and chosen[1] in _COERCED:
        chosen[1] = ""
    locale = next(filter(None, chosen), _COERCED[0])
    return not all(map(_is_utf8, (locale, sys.stdout.encoding)))


def _is_utf8(name: str) -> bool:
    return "utf8" in name.lower().replace("-", "")


def _value(value: object) -> str:
    if not isinstance(value, list) or not value:
        return json.dumps(value)
    members = ",\n".join(f"    {json.dumps(one)}" for one in value)
    return f"[\n{members}\n  ]"
