"""What would have been right in place of a wrong value, in words."""

import json
import shlex
from collections.abc import Mapping
from typing import Final

from numalocal.problems import printable, shown

_EXAMPLE: Final = 60
"""Characters of a text that an example is made of."""


def too_few(written: str, size_bytes: int) -> str:
    """Say how little it is, and what was meant: who writes 64 or 512m thinks of a larger unit."""
    said = f"is {size_bytes} byte{'' if size_bytes == 1 else 's'}, too few for anything"
    meant = f"{written.removesuffix('m')}{'Mi' if written.endswith('m') else 'Gi'}"
    known = meant[:-2].isdecimal()
    return f"{said}: did you mean {meant}?" if known else f"{said}: write an amount such as 64Gi"


def as_text(value: object) -> str:
    """Say how to write as text what YAML takes for something else."""
    match value:
        case bool():
            words = "YAML reads on, off, yes, no, true and false as truth values"
            return f'must be text: quote it, such as "{shown(value)}" ({words})'
        case int() | float():
            return f'must be text such as "{shown(value)}"'
        case Mapping():
            return "must be text: quote it where it holds a colon and a space"
        case _:
            return "must be text"


def such_as(value: object) -> str:
    """Show the list that was meant by one text; empty where no text was given."""
    if not isinstance(value, str):
        return ""
    try:
        words = shlex.split(value[:_EXAMPLE])
    except ValueError:  # a quote that is not closed
        words = [value]
    return f" such as {json.dumps([printable(one, _EXAMPLE // 2) for one in words[:4]])}"
