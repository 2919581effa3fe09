"""Kubernetes quantities of memory."""

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fractions import Fraction

_FACTOR: Final = {
    "": (1, 1),
    **{unit: (1, 1000**power) for power, unit in enumerate("mun", start=1)},
    **{unit: (1000**power, 1) for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": (1024**power, 1) for power, unit in enumerate("KMGTPE", start=1)},
}
"""Of each unit, a numerator and a denominator."""
_UNITS: Final = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_ROUNDS_UP: Final = 1023.95
"""With one decimal this is written 1024.0."""
_QUANTITY = re.compile(
    r"\+?(\d{1,64}(?:\.\d{0,64})?|\.\d{1,64})(?:[eE]([+-]?\d{1,2})|([a-zA-Z]{0,2}))", re.ASCII
)


def parse_bytes(text: str | int) -> int:
    """Read a quantity such as `64Gi`, `1.5G`, `2e9` or `1024` as bytes, rounded up.

    Raises:
        ValueError: for anything else, and for amounts of 2^63 bytes and more.
    """
    amount = parse_quantity(text)
    bytes_ = -(-amount.numerator // amount.denominator)
    if bytes_ >= 1 << 63:
        raise ValueError(f"{text!r} is more than 2^63 bytes")
    return bytes_


def parse_quantity(text: str | int) -> "Fraction":
    """Read an amount exactly: of bytes, or of CPUs such as `500m`.

    The grammar is that of Kubernetes (apimachinery's resource.Quantity) without negative amounts:
    `m`, `u` and `n` are parts of one, and blanks are refused.

    Raises:
        ValueError: for anything else.
    """
    from fractions import Fraction  # noqa: PLC0415 - `topology` reads none and starts without it

    match = _QUANTITY.fullmatch(str(text))
    factor = _FACTOR.get((match[3] or "") if match else "?")
    if match is None or factor is None or isinstance(text, bool):
        raise ValueError(f"{text!r} is not a quantity such as 64Gi or 512Mi")
    return Fraction(match[1]) * Fraction(*factor) * Fraction(10) ** int(match[2] or 0)


def format_bytes(size_bytes: int) -> str:
    """Write bytes for people, with one decimal: `64.0 GiB`; never `1024.0` of the unit below."""
    if size_bytes < 1024:  # noqa: PLR2004 - the binary kilo
        return f"{size_bytes} bytes"
    size, unit = size_bytes / 1024, 0
    while size >= _ROUNDS_UP and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {_UNITS[unit]}"
