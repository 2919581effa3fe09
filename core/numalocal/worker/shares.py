"""Numbers of replicas that may be told as a share of them."""

import re
from typing import Final

from numalocal.fields import Fields

_SHARE: Final = re.compile(r"(0|[1-9][0-9]?|100)%", re.ASCII)


def count_or_share(fields: Fields, name: str, *, least: int, most: int) -> int | str | None:
    """Read a whole number within the bounds, or text from `<least>%` to `100%`; None = absent."""
    value = fields.raw(name)
    if isinstance(value, str):
        match = _SHARE.fullmatch(value)
        if match and int(match[1]) >= least:
            return value
    elif value is None or (type(value) is int and least <= value <= most):
        return value
    bounds = f"from {least} to {most}, or a share from {least}% to 100%"
    fields.problem(name, value, f"must be a whole number {bounds}")
    return None


def of_replicas(asked: int | str, replicas: int) -> int:
    """Count a share of replicas, rounded down as a Deployment's maxUnavailable is, but at least 1.

    A Deployment with none to spare makes a new pod before the old one goes; a worker, whose CPU
    sets are scarce, could never begin.
    """
    if isinstance(asked, int):
        return asked
    return max(replicas * int(asked.removesuffix("%")) // 100, 1)
