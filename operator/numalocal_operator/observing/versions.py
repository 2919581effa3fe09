"""Which of two looks at an object is the newer, and for how long the end of one is remembered."""

from collections.abc import Mapping
from typing import Any, Final

from numalocal_operator.worklist import Key

GONE_S: Final = 120.0
"""How long what is gone is remembered: the answer of a write before its end may come that late."""
Raw = Mapping[str, Any]


def key_of(metadata: Raw) -> Key:
    """Give namespace and name."""
    return str(metadata.get("namespace")), metadata["name"]


def version_of(metadata: Raw) -> int:
    """Read a resourceVersion, which grows with every change of any object; -1 where it is none."""
    text = metadata.get("resourceVersion")
    return int(text) if isinstance(text, str) and text.isdecimal() else -1


def is_old(version: int, known: int) -> bool:
    """Tell whether a version brings no news; one that nobody knows does."""
    return -1 < version < known or (version == known > -1)
