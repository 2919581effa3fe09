"""What one node tells: its NodeCpuTopology as the API server gives it -> Told."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from numalocal.errors import ListInvalid
from numalocal.idset import IdSet
from numalocal.sets.memoryask import Enforcement
from numalocal.sets.near import MemoryNodes

Raw = Mapping[str, Any]

BOUND: Final = "Bound"
UNBOUND: Final = "Unbound"
NOT_ENFORCED: Final = "NotEnforced"
"""Reason of a node that serves though its runtime is not connected."""
FREE: Final = "Free"
HELD: Final = "Held"

_MOST_CPUS: Final = 1 << 16
_MOST_BYTES: Final = 1 << 62
_LONGEST_LIST: Final = 8192
"""Characters of a set's CPUs, as the CRD has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What one node has of a pool; None = not told.

    `cpus_per_set` and `set_bytes` are CPUs and share of memory of its smallest set, `node_bytes`
    the MemTotal of the largest NUMA node that one has memory of, and `memory_nodes` of how many at
    most a set has it.  `reach_bytes` is what a rank has at most, by the word for its nodes.
    """

    sets: int
    cpus_per_set: int | None = None
    set_bytes: int | None = None
    node_bytes: int | None = None
    memory_nodes: int = 1
    reach_bytes: Mapping[str, int] = field(default_factory=dict)

    def most_rank_bytes(self, nodes: MemoryNodes) -> int | None:
        """What a rank has at most on nodes so called, whatever else is there."""
        if (told := self.reach_bytes.get(nodes)) is not None:
            return told
        if nodes is not MemoryNodes.LOCAL or self.node_bytes is None:
            return None
        return self.node_bytes * self.memory_nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """How a node can bind containers.

    `policies` are those of memory that it can set, None where its agent is of a release that does
    not tell; `why_not` says why it can set no others.  `unbound` says why its containers are not
    bound now, empty where they are.  `numa_nodes` has its machine, None = not told.  A node that
    does not `serve` now gives nothing out: its runtime may not have said yet what it is.
    """

    policies: frozenset[str] | None = None
    why_not: str = ""
    unbound: str = ""
    numa_nodes: int | None = None
    serves: bool = True


@dataclass(frozen=True, slots=True)
class Told:
    """What one node tells.

    `free` are the sets of each pool that nobody holds.
    `starts` says of (pod uid, container id) whether that container was created with its binding.
    """

    pools: Mapping[str, Offer] = field(default_factory=dict)
    free: Mapping[str, int] = field(default_factory=dict)
    starts: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    ability: Ability = Ability()


def told(node: Raw) -> Told:
    """Read what the agent of a node tells; what cannot be read is not told."""
    status = node.get("status")
    starts: dict[tuple[str, str], bool] = {}
    sets: dict[str, list[Raw]] = {}
    for one in _tables(status, "sets"):
        if one.get("state") in (FREE, HELD):
            sets.setdefault(str(one.get("pool")), []).append(one)
        owner = one.get("owner")
        if isinstance(owner, Mapping) and owner.get("started") in (BOUND, UNBOUND):
            key = str(owner.get("uid")), str(owner.get("containerID"))
            # A container with several sets stands here as often: one word of them is enough.
            starts[key] = starts.get(key, True) and owner["started"] == BOUND
    pools = {str(one["name"]): one for one in _tables(status, "pools") if "name" in one}
    return Told(
        pools={
            name: _offer(one, count, sets.get(name, ()))
            for name, one in pools.items()
            if (count := _number(one.get("sets"), _MOST_CPUS))
        },
        free={name: _number(one.get("free"), _MOST_CPUS) or 0 for name, one in pools.items()},
        starts=starts,
        ability=_ability(status if isinstance(status, Mapping) else {}),
    )


def _ability(status: Raw) -> Ability:
    memory, machine = status.get("memory"), status.get("machine")
    policies = why_not = None
    if isinstance(memory, Mapping):
        listed = memory.get("policies")
        policies = frozenset(map(str, listed)) if isinstance(listed, list) else None
        why_not = memory.get("message")
    numa_nodes = machine.get("numaNodes") if isinstance(machine, Mapping) else None
    conditions = (one for one in _tables(status, "conditions") if one.get("type") == "Ready")
    ready: Raw = next(conditions, {})
    return Ability(
        policies=policies,
        why_not=str(why_not or ""),
        unbound=_unbound(ready) if status.get("enforcement") == Enforcement.BEST_EFFORT else "",
        numa_nodes=_number(numa_nodes, _MOST_CPUS),
        serves=ready.get("status") != "False",
    )


def _unbound(ready: Raw) -> str:
    """Say why a node that serves without its runtime binds nothing now; empty where it does."""
    if ready.get("reason") != NOT_ENFORCED:
        return ""
    return str(ready.get("message") or NOT_ENFORCED)


def _offer(pool: Raw, count: int, sets: Collection[Raw]) -> Offer:
    """Measure by the smallest set: a pool tells of its largest, which is all where none is told."""
    cpus = [number for one in sets if (number := _ids(one.get("cpus")))]
    bytes_ = [number for one in sets if (number := _number(one.get("memoryBytes"), _MOST_BYTES))]
    return Offer(
        sets=count,
        cpus_per_set=min(cpus, default=_number(pool.get("cpusPerSet"), _MOST_CPUS)),
        set_bytes=min(bytes_, default=None),
        node_bytes=_number(pool.get("nodeMemoryBytes"), _MOST_BYTES),
        memory_nodes=max((_ids(one.get("memoryNodes")) or 1 for one in sets), default=1),
        reach_bytes=_reach(pool.get("reachBytes")),
    )


def _reach(told: Any) -> Mapping[str, int]:
    """Read what a rank has by each word; none at all is a number as well."""
    given = told if isinstance(told, Mapping) else {}
    read = {str(word): given.get(word) for word in MemoryNodes}
    return {word: has for word, has in read.items() if type(has) is int and 0 <= has <= _MOST_BYTES}


def _ids(told: Any) -> int | None:
    """Count the CPUs or nodes of a list in the kernel's format; None for what is none."""
    return _count(told) if isinstance(told, str) and len(told) <= _LONGEST_LIST else None


@lru_cache(maxsize=4096)
def _count(text: str) -> int | None:
    """Count a list's ids: the lists of alike machines are the same."""
    try:
        return len(IdSet.parse(text)) or None
    except ListInvalid:
        return None


def _tables(status: Any, name: str) -> Iterator[Raw]:
    """Give the tables of a list of a status."""
    listed = status.get(name) if isinstance(status, Mapping) else None
    if isinstance(listed, list):
        yield from (one for one in listed if isinstance(one, Mapping))


def _number(told: Any, most: int) -> int | None:
    """Read a number of a node; None for what none can have."""
    return told if type(told) is int and 0 < told <= most else None
