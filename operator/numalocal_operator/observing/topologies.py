"""What the agents tell of their nodes: kept by a watch, read without a call."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from numalocal.worker.inject import PoolNumbers

Raw = Mapping[str, Any]
Pods = frozenset[str]
"""Pods by uid."""

BOUND: Final = "Bound"
UNBOUND: Final = "Unbound"

_MOST_CPUS: Final = 1 << 16
_MOST_BYTES: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Told:
    """What one node tells.

    `starts` says of (pod uid, container id) whether that container was created with its binding.
    """

    pools: Mapping[str, PoolNumbers] = field(default_factory=dict)
    starts: Mapping[tuple[str, str], bool] = field(default_factory=dict)


class Topologies:
    """The NodeCpuTopology of each node, as far as the operator needs it."""

    def __init__(self) -> None:
        self._nodes: dict[str, Told] = {}
        self._pools: Mapping[str, PoolNumbers] | None = None

    def listed(self, nodes: Iterable[Raw]) -> None:
        """Take all nodes there are: before that, one that is not known yet may offer a pool."""
        self._nodes = {node["metadata"]["name"]: told(node) for node in nodes}
        self._pools = together(one.pools for one in self._nodes.values())

    def observed(self, node: Raw) -> Pods:
        """Take a node as it is now; give the pods of which it tells something new."""
        return self._take(node["metadata"]["name"], told(node))

    def gone(self, node: str) -> Pods:
        """Forget a node."""
        return self._take(node, None)

    def names(self) -> frozenset[str]:
        """Give the nodes that are known."""
        return frozenset(self._nodes)

    def pools(self) -> Mapping[str, PoolNumbers] | None:
        """Give the largest numbers of every pool; None before the nodes have been listed."""
        return self._pools

    def started(self, node: str, pod_uid: str, container_id: str) -> bool | None:
        """Tell whether a container was created with its binding; None where its node says nothing.

        A node is believed about its own containers alone.
        """
        found = self._nodes.get(node)
        return None if found is None else found.starts.get((pod_uid, container_id))

    def _take(self, name: str, now: Told | None) -> Pods:
        before = self._nodes.get(name, Told())
        if now is None:
            self._nodes.pop(name, None)
        else:
            self._nodes[name] = now
        now = now or Told()
        if now.pools != before.pools or self._pools is None:
            self._pools = together(one.pools for one in self._nodes.values())
        changed = now.starts.items() ^ before.starts.items()
        return frozenset(uid for (uid, _), _ in changed)


def together(nodes: Iterable[Mapping[str, PoolNumbers]]) -> Mapping[str, PoolNumbers]:
    """Give the largest that any node says of every pool."""
    found: dict[str, PoolNumbers] = {}
    for node in nodes:
        for pool, numbers in node.items():
            found[pool] = largest(found.get(pool, PoolNumbers()), numbers)
    return found


def largest(one: PoolNumbers, other: PoolNumbers) -> PoolNumbers:
    """Put what two nodes say together."""
    return PoolNumbers(
        cpus_per_set=max(one.cpus_per_set or 0, other.cpus_per_set or 0) or None,
        node_bytes=max(one.node_bytes or 0, other.node_bytes or 0) or None,
    )


def told(node: Raw) -> Told:
    """Read what the agent of a node tells; what cannot be read is not told."""
    status = node.get("status")
    starts: dict[tuple[str, str], bool] = {}
    for one in _tables(status, "sets"):
        owner = one.get("owner")
        if isinstance(owner, Mapping) and owner.get("started") in (BOUND, UNBOUND):
            key = str(owner.get("uid")), str(owner.get("containerID"))
            # A container with several sets stands here as often: one word of them is enough.
            starts[key] = starts.get(key, True) and owner["started"] == BOUND
    return Told(
        pools={
            str(one["name"]): PoolNumbers(
                cpus_per_set=_number(one.get("cpusPerSet"), _MOST_CPUS),
                node_bytes=_number(one.get("nodeMemoryBytes"), _MOST_BYTES),
            )
            for one in _tables(status, "pools")
            if "name" in one and _number(one.get("sets"), _MOST_CPUS)
        },
        starts=starts,
    )


def _tables(status: Any, name: str) -> Iterator[Raw]:
    """Give the tables of a list of a status."""
    listed = status.get(name) if isinstance(status, Mapping) else None
    if isinstance(listed, list):
        yield from (one for one in listed if isinstance(one, Mapping))


def _number(told: Any, most: int) -> int | None:
    """Read a number of a node; None for what none can have."""
    return told if type(told) is int and 0 < told <= most else None
