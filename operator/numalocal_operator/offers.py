"""What the cluster's nodes offer of each pool: kept by a watch, read without a call."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from numalocal import names
from numalocal.worker.inject import PoolNumbers

Raw = Mapping[str, Any]

_MOST_CPUS: Final = 1 << 16
_MOST_BYTES: Final = 1 << 62


class Offers:
    """The pools of each node, as its agent publishes them."""

    def __init__(self) -> None:
        self._nodes: dict[str, Mapping[str, PoolNumbers]] = {}
        self._pools: Mapping[str, PoolNumbers] | None = None

    def listed(self, nodes: Iterable[Raw]) -> None:
        """Take all nodes there are: before that, one that is not known yet may offer a pool."""
        self._nodes = {node["metadata"]["name"]: published(node) for node in nodes}
        self._pools = together(self._nodes.values())

    def observed(self, node: Raw) -> None:
        """Take a node as it is now."""
        name, told = node["metadata"]["name"], published(node)
        if self._nodes.get(name) == told:
            return  # most events of a node are of its pulse
        self._nodes[name] = told
        self._pools = together(self._nodes.values())

    def gone(self, node: str) -> None:
        """Forget a node."""
        self._nodes.pop(node, None)
        self._pools = together(self._nodes.values())

    def pools(self) -> Mapping[str, PoolNumbers] | None:
        """Give the largest numbers of every pool; None before the nodes have been listed."""
        return self._pools


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


def published(node: Raw) -> Mapping[str, PoolNumbers]:
    """Read what the agent of a node says; what cannot be read is not said."""
    annotations = node["metadata"].get("annotations") or {}
    try:
        told = json.loads(annotations.get(names.ANNOTATION_POOLS, "{}"))
        return {
            str(pool): PoolNumbers(
                cpus_per_set=_number(numbers["cpusPerSet"], _MOST_CPUS),
                node_bytes=_number(numbers.get("nodeMemoryBytes") or 0, _MOST_BYTES),
            )
            for pool, numbers in told.items()
        }
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return {}


def _number(told: Any, most: int) -> int | None:
    """Read a number of a node; None for what none can have."""
    number = int(told)
    return number if 0 < number <= most else None
