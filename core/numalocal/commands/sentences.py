"""Sentences for people: on a terminal they break between words, elsewhere they are one line."""

import sys
import textwrap
from typing import Final

from numalocal.commands import output

_INDENT: Final = "      "


def shown(sentence: str) -> str:
    """Break a sentence as the terminal is wide; a program that reads gets it whole."""
    if not sys.stdout.isatty():
        return sentence
    return textwrap.fill(
        sentence,
        output.width(),
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
