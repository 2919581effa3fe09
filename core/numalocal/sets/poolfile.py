"""Read pools: a pool file's, and those of the chart's value."""

import re
from collections.abc import Mapping
from typing import Final

from numalocal import hints
from numalocal.errors import ListInvalid, SpecInvalid
from numalocal.fields import MAX_PROBLEMS, Fields
from numalocal.idset import IdSet
from numalocal.machine.model import KINDS
from numalocal.problems import Problem
from numalocal.sets.pools import L3_SIZE, NODE_SIZE, PREFERENCES, Pool, Size

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")

NAME_RULE: Final = "must be 1 to 40 lower-case letters, digits and inner dashes, such as cpuset"
FIELDS: Final = (
    "name",
    "size",
    "reserve",
    "nodes",
    "coreKind",
    "threadsPerCore",
    "memory",
    "placement",
)
MAX_POOLS: Final = 64
"""Each is a resource of its own, and no machine has as many kinds of cores."""
MAX_THREADS_PER_CORE: Final = 8
"""POWER's SMT-8: the most that any architecture has."""


def parse_pools(raw: object, *, least_reserve: int = 1) -> tuple[Pool, ...]:
    """Read a list of pools, the shape of the chart's `pools` value and of a pool file.

    A mapping with the key `pools` is read as that list.  On a bare machine `least_reserve` may be
    0: who says so leaves nothing to others.  In a cluster kubelet and system need a core.

    Raises:
        SpecInvalid: with every problem and its field path.
    """
    if isinstance(raw, Mapping):
        raw = raw.get("pools")
    if not isinstance(raw, list) or not raw:
        raise SpecInvalid([Problem("pools", raw, "must be a list of at least one pool")])
    if len(raw) > MAX_POOLS:
        message = f"must be a list of at most {MAX_POOLS} pools, has {len(raw)}"
        raise SpecInvalid([Problem("pools", raw, message)])
    problems: list[Problem] = []
    pools = [
        _pool(Fields(entry, f"pools[{index}]", problems), least_reserve)
        for index, entry in enumerate(raw)
    ]
    names = [pool.name for pool in pools]
    problems += [
        Problem(f"pools[{index}].name", name, "is used twice; every pool needs its own name")
        for index, name in enumerate(names)
        if is_name(name) and name in names[:index]
    ]
    if problems:
        raise SpecInvalid(problems[:MAX_PROBLEMS])
    return tuple(pools)


def is_name(raw: object) -> bool:
    """Tell whether a value can be a pool's name: `NAME_RULE` says what can."""
    return isinstance(raw, str) and _NAME.fullmatch(raw) is not None


def _pool(fields: Fields, least_reserve: int) -> Pool:
    fields.only(FIELDS)
    if not is_name(fields.raw("name")):
        fields.problem("name", fields.raw("name"), NAME_RULE)
    return Pool(
        name=str(fields.raw("name")),
        size=_size(fields),
        reserve=fields.integer("reserve", 1, least=least_reserve),
        nodes=_nodes(fields),
        core_kind=fields.choice("coreKind", KINDS, None),
        threads_per_core=fields.integer("threadsPerCore", None, least=1, most=MAX_THREADS_PER_CORE),
        memory_bytes=fields.size_bytes("memory"),
        placement=fields.choice("placement", PREFERENCES, PREFERENCES[0]),
    )


def _size(fields: Fields) -> Size:
    raw = fields.raw("size")
    match raw:
        case None | "numa":
            return NODE_SIZE
        case "l3":
            return L3_SIZE
        case int(cores) if not isinstance(raw, bool) and cores >= 1:
            return cores
    fields.problem(
        "size", raw, f"must be a number of cores from 1, or numa, or l3{hints.no_number(raw)}"
    )
    return NODE_SIZE


def _nodes(fields: Fields) -> IdSet | None:
    """Read node ids: a list of numbers, or the kernel's list format."""
    raw = fields.raw("nodes")
    if raw is None:
        return None
    text = ",".join(str(one) for one in raw) if isinstance(raw, list) else str(raw)
    try:
        nodes = IdSet.parse(text)
    except ListInvalid:
        nodes = IdSet()
    if not nodes:
        fields.problem("nodes", raw, "must be NUMA node ids such as [0, 1] or 0-3")
    return nodes
