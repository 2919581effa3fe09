"""What a plain scalar of YAML stands for, by the rules of kubectl's parser.

PyYAML's differ: for kubectl dates and `12:30` are text, `0o17` and `1e3` are numbers.
"""

import math
import re
from typing import Final

_NULL: Final = ("", "~", "null", "Null", "NULL")
_TRUE: Final = ("yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE: Final = ("no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_WHOLE: Final = re.compile(r"([-+]?)(?:0b([01_]+)|0o?([0-7_]+)|0x([0-9a-fA-F_]+)|(0|[1-9][0-9_]*))")
_FRACTION: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_NUMBER: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MAX_DIGITS: Final = 80
"""More than 64 bits have in any base: what is longer is not even converted."""
_TOO_LARGE: Final = "which no number of JSON holds exactly: quote it if it is text"


def resolve(text: str) -> str | int | float | bool | None:
    """Give the value of a plain scalar.

    Raises:
        ValueError: for a number that JSON cannot carry, with what is wrong in words.
    """
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if whole := _WHOLE.fullmatch(text):
        return _integer(whole)
    if _NO_NUMBER.fullmatch(text):
        raise ValueError(_TOO_LARGE)
    if len(text) <= _MAX_DIGITS and _FRACTION.fullmatch(text):
        value = float(text)
        if not math.isfinite(value):
            raise ValueError(_TOO_LARGE)
        return value
    return text


def _integer(match: re.Match[str]) -> int | str:
    for digits, base in zip(match.groups()[1:], (2, 8, 16, 10), strict=True):
        if digits is None:
            continue
        bare = digits.replace("_", "")
        if not bare:  # 0x_
            return match[0]
        value = int(bare, base) if len(bare) <= _MAX_DIGITS else 1 << 64
        if value >= 1 << 64:
            raise ValueError(_TOO_LARGE)
        return -value if match[1] == "-" else value
    return match[0]
