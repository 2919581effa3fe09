"""What the cluster's nodes offer of each pool: kept by a watch, read without a call."""

import json
from collections.abc import Mapping
from typing import Any

from numalocal import names
from numalocal.worker.inject import PoolNumbers

Raw = Mapping[str, Any]


class Offers:
    """The pools of each node, as its agent publishes them."""

    def __init__(self) -> None:
        self._nodes: dict[str, Mapping[str, PoolNumbers]] = {}
        self._seen = False

    def observed(self, node: Raw) -> None:
        """Take a node as it is now."""
        self._seen = True
        self._nodes[node["metadata"]["name"]] = published(node)

    def gone(self, node: str) -> None:
        """Forget a node."""
        self._nodes.pop(node, None)

    def pools(self) -> Mapping[str, PoolNumbers] | None:
        """Give the largest numbers of every pool; None while no node has been seen."""
        if not self._seen:
            return None
        found: dict[str, PoolNumbers] = {}
        for node in self._nodes.values():
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
                cpus_per_set=int(numbers["cpusPerSet"]) or None,
                node_bytes=int(numbers.get("nodeMemoryBytes") or 0) or None,
            )
            for pool, numbers in told.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}
