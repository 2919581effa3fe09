"""The lines that an engine prints, whatever it prints."""

import io
import re
from collections.abc import Iterator
from typing import IO, Final

LONGEST: Final = 16_384
"""Characters of a line that are waited for; what is longer comes in parts."""

_CONTROLS: Final = re.compile(
    r"(\x1b\[[0-9;:]{0,40}m)"  # colour and the like (SGR) stays
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # other CSI sequences: cursor, screen, modes
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC, DCS, SOS, PM, APC: title, clipboard, answers
    r"|\x1b[ -/]*.?"
    r"|[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"  # and what turns the direction
)
_RESET: Final = "\x1b[0m"


def read(stream: IO[bytes]) -> Iterator[str]:
    r"""Yield lines as they come; a byte that is no UTF-8 comes as its number, such as \xff.

    A carriage return ends a line too, as of a progress bar.
    """
    text = io.TextIOWrapper(stream, encoding="utf-8", errors="backslashreplace")
    while line := text.readline(LONGEST):
        yield line.removesuffix("\n")


def without_controls(line: str) -> str:
    """Leave out of a line what would do more to a terminal than show text in colour."""
    clean = _CONTROLS.sub(lambda found: found[1] or "", line)
    return f"{clean}{_RESET}" if "\x1b" in clean else clean
