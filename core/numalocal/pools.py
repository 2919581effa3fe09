"""Pools: named rules that cut a machine into CPU sets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from numalocal.errors import SpecInvalid
from numalocal.problems import Problem

NODE_SIZE: Final = "numa"
"""The size of a set that takes its whole NUMA node, less the reserved cores."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")

NAME_RULE: Final = "must be 1 to 40 lower-case letters, digits and inner dashes, such as cpuset"
_FIELDS = ("name", "size", "reserve")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One rule.

    `size` is the number of cores per set, or `numa`.  `reserve` cores of every NUMA node stay
    shared; where several pools cut one machine, the largest reserve counts.
    """

    name: str
    size: int | Literal["numa"] = NODE_SIZE
    reserve: int = 1


DEFAULT_POOLS: Final = (Pool(name="cpuset"),)
"""What cuts a machine when nothing is configured: one set per NUMA node, one core each shared."""


def parse_pools(raw: object) -> tuple[Pool, ...]:
    """Read a list of pools, the shape of the chart's `pools` value and of a pool file.

    A mapping with the key `pools` is read as that list.

    Raises:
        SpecInvalid: with every problem and its field path.
    """
    if isinstance(raw, Mapping):
        raw = raw.get("pools")
    if not isinstance(raw, list) or not raw:
        raise SpecInvalid([Problem("pools", raw, "must be a list of at least one pool")])
    problems: list[Problem] = []
    pools = [_pool(entry, f"pools[{index}]", problems) for index, entry in enumerate(raw)]
    names = [pool.name for pool in pools]
    problems += [
        Problem(f"pools[{index}].name", name, "is used twice; every pool needs its own name")
        for index, name in enumerate(names)
        if name in names[:index]
    ]
    if problems:
        raise SpecInvalid(problems)
    return tuple(pools)


def is_name(raw: object) -> bool:
    """Tell whether a value can be a pool's name: `NAME_RULE` says what can."""
    return isinstance(raw, str) and _NAME.fullmatch(raw) is not None


def _pool(raw: object, path: str, problems: list[Problem]) -> Pool:
    if not isinstance(raw, Mapping):
        problems.append(Problem(path, raw, "must be a mapping such as {name: cpuset, size: 4}"))
        return Pool(name=path)
    problems.extend(
        Problem(f"{path}.{key}", raw[key], f"is not a field; known: {', '.join(_FIELDS)}")
        for key in raw
        if key not in _FIELDS
    )
    return Pool(
        name=_name(raw.get("name"), f"{path}.name", problems),
        size=_size(raw.get("size", NODE_SIZE), f"{path}.size", problems),
        reserve=_reserve(raw.get("reserve", 1), f"{path}.reserve", problems),
    )


def _name(raw: object, path: str, problems: list[Problem]) -> str:
    if is_name(raw):
        return str(raw)
    problems.append(Problem(path, raw, NAME_RULE))
    return path


def _size(raw: object, path: str, problems: list[Problem]) -> int | Literal["numa"]:
    if raw == NODE_SIZE:
        return NODE_SIZE
    if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 1:
        return raw
    problems.append(Problem(path, raw, "must be a number of cores from 1, or numa"))
    return NODE_SIZE


def _reserve(raw: object, path: str, problems: list[Problem]) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 1:
        return raw
    message = "must be a number of cores from 1: the system and all other pods need CPUs too"
    problems.append(Problem(path, raw, message))
    return 1
