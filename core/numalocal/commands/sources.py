"""Where a document comes from: a file, or standard input."""

import sys
from pathlib import Path

from numalocal.errors import SpecInvalid
from numalocal.problems import Problem
from numalocal.worker.documents import Source


def source(name: str) -> Source:
    """Open what the user named; - is standard input.

    Raises:
        SpecInvalid: where standard input is closed.
    """
    if name != "-":
        return Path(name)
    if sys.stdin is None:
        raise SpecInvalid([Problem("file", name, "is standard input, which is closed")])
    return sys.stdin.buffer
