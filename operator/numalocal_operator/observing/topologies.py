"""What the agents tell of their nodes: kept by a watch, read without a call."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from numalocal_operator.observing.told import Raw, Told, told

Pods = frozenset[str]
"""Pods by uid."""


class Topologies:
    """The NodeCpuTopology of each node, as far as the operator needs it.

    `version` grows with every change of what nodes offer, and not of what is free of it.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, Told] = {}
        self._listed = False
        self.version = 0

    def listed(self, nodes: Iterable[Raw]) -> None:
        """Take all nodes there are: before that, one that is not known yet may offer a pool."""
        now = {node["metadata"]["name"]: told(node) for node in nodes}
        self._nodes = {name: _steady(one, self._nodes.get(name)) for name, one in now.items()}
        self._listed = True
        self.version += 1

    def observed(self, node: Raw) -> Pods:
        """Take a node as it is now; give the pods of which it tells something new."""
        return self._take(node["metadata"]["name"], told(node))

    def gone(self, node: str) -> Pods:
        """Forget a node."""
        return self._take(node, None)

    def names(self) -> frozenset[str]:
        """Give the nodes that are known."""
        return frozenset(self._nodes)

    def now(self) -> Mapping[str, Told] | None:
        """Give a copy that no event changes; None before the nodes have been listed."""
        return self._nodes.copy() if self._listed else None

    def started(self, node: str, pod_uid: str, container_id: str) -> bool | None:
        """Tell whether a container was created with its binding; None where its node says nothing.

        A node is believed about its own containers alone.
        """
        found = self._nodes.get(node)
        return None if found is None else found.starts.get((pod_uid, container_id))

    def _take(self, name: str, now: Told | None) -> Pods:
        known = self._nodes.get(name)
        if now is None:
            self._nodes.pop(name, None)
        else:
            now = self._nodes[name] = _steady(now, known)
        now, before = now or Told(), known or Told()
        if (now.pools, now.ability) != (before.pools, before.ability):
            self.version += 1
        changed = now.starts.items() ^ before.starts.items()
        return frozenset(uid for (uid, _), _ in changed)


def _steady(now: Told, before: Told | None) -> Told:
    """Keep what a node could do while it does not serve: an agent starts, or its runtime does."""
    if now.ability.serves or before is None:
        return now
    return replace(now, ability=replace(before.ability, serves=False))
