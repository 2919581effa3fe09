"""Kubernetes quantities of memory."""

import re
from fractions import Fraction
from typing import Final

_FACTOR: Final = {
    "": Fraction(1),
    "m": Fraction(1, 1000),
    **{unit: Fraction(1000**power) for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Fraction(1024**power) for power, unit in enumerate("KMGTPE", start=1)},
}
_KIB: Final = 1024
_QUANTITY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d{1,2})|([a-zA-Z]*))", re.ASCII)


def parse_bytes(text: str | int) -> int:
    """Read a quantity such as `64Gi`, `1.5G` or `1024` as bytes, rounded up as Kubernetes does.

    Raises:
        ValueError: for anything else, and for amounts of 2^63 bytes and more.
    """
    match = _QUANTITY.fullmatch(str(text).strip())
    factor = _FACTOR.get((match[3] or "") if match else "?")
    if match is None or factor is None or isinstance(text, bool):
        raise ValueError(f"{text!r} is not a quantity such as 64Gi or 512Mi")
    amount = Fraction(match[1]) * factor * Fraction(10) ** int(match[2] or 0)
    bytes_ = -(-amount.numerator // amount.denominator)
    if bytes_ >= 1 << 63:
        raise ValueError(f"{text!r} is more than 2^63 bytes")
    return bytes_


def format_bytes(size_bytes: int) -> str:
    """Write bytes for people, with one decimal: `64.0 GiB`."""
    if size_bytes < _KIB:
        return f"{size_bytes} bytes"
    size = size_bytes / _KIB
    for unit in ("KiB", "MiB", "GiB"):
        if size < _KIB:
            return f"{size:.1f} {unit}"
        size /= _KIB
    return f"{size:.1f} TiB"
