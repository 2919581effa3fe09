"""What would have been right in place of a wrong value, in words."""

import difflib
import json
import re
import shlex
from collections.abc import Collection, Mapping
from typing import Final

from numalocal.problems import printable, shown

_EXAMPLE: Final = 60
"""Characters of a text that an example is made of."""
_LONGEST_WORD: Final = 40
"""Characters of a word that others are compared with: that takes its time."""
_NEAR: Final = 0.65
"""From 0 to 1; at 0.6, which difflib takes, `cpus` is near to `paused`."""
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s?([kmgtpe])(?:i?b|i)?", re.ASCII | re.IGNORECASE)
"""An amount of memory with a unit that people write and Kubernetes does not read."""


def nearest(word: str, known: Collection[str]) -> str:
    """Give the one that was meant, in whatever case and with whatever dashes; empty for none."""
    spelled = {_folded(one): one for one in known}
    near = difflib.get_close_matches(_folded(word[:_LONGEST_WORD]), spelled, n=1, cutoff=_NEAR)
    return spelled[near[0]] if near else ""


def _folded(word: str) -> str:
    return re.sub(r"[-_. ]", "", word.casefold())


def no_field(word: str, known: Collection[str]) -> str:
    """Say what is no field, and which one was meant."""
    near = nearest(word, known)
    hint = f"did you mean {near}?" if near else f"known: {', '.join(known)}"
    return f"is not a field; {hint}"


def no_choice(value: object, choices: Collection[str]) -> str:
    """Say that another word must be chosen, and which one was meant where there are several."""
    near = nearest(value, choices) if isinstance(value, str) and len(choices) > 1 else ""
    return f"must be one of: {', '.join(choices)}{f'; did you mean {near}?' if near else ''}"


def no_size(value: object) -> str:
    """Say what is no amount of memory, and with which unit it would be one."""
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    meant = f": did you mean {found[1]}{found[2].upper()}i?" if found else " such as 64Gi"
    return f"must be an amount of memory{meant}"


def no_mapping(value: object, first: str | None) -> str:
    """Say what is no mapping; `first` is the field that a mapping in its place would have."""
    scalar = first is not None and isinstance(value, str | int | float)
    example = f" such as {{{first}: {printable(str(value), _EXAMPLE)}}}" if scalar else ""
    return f"must be a mapping{example}"


def no_number(value: object) -> str:
    """Say what more is wrong with what is no number; empty where that is all."""
    quoted = isinstance(value, str) and value.isascii() and value.isdigit()
    return ": leave the quotes out" if quoted else ""


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
