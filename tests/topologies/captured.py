"""Captures of real machines, with the truth beside each: see README.md."""

import json
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

from scratch import scratch

CAPTURES = Path(__file__).parent / "captures"

Truth = dict[str, Any]

TRUTHS: dict[str, Truth] = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(CAPTURES.glob("*.json"))
}


@cache
def unpacked(name: str) -> Path:
    """Give the root of a capture, to read only; unpacked once a process."""
    directory = scratch()
    with tarfile.open(CAPTURES / f"{name}.tar.xz") as archive:
        # An argument says the same, but not to the Python of Debian 12, which knows no filters.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(directory)
    return directory / name
