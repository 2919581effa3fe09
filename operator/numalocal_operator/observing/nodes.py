"""What of a node matters to where a pod can land: raw Node in, Node out, kept by a watch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from sys import intern
from typing import Any

from numalocal.quantity import parse_quantity

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint; `effect` is NoSchedule, PreferNoSchedule or NoExecute."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        value = f"={self.value}" if self.value else ""
        return f"{self.key}{value}:{self.effect}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node, without all that a heartbeat changes.

    `cpus` and `memory_bytes` are what its kubelet has for pods (allocatable), None = not told.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    ready: bool = True
    cpus: Fraction | None = None
    memory_bytes: Fraction | None = None


class Nodes:
    """The nodes there are.  Before they were listed, or where that is not allowed, none is known.

    `version` grows with every change of what is kept, and with nothing else.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, Node] | None = None
        self.version = 0

    def listed(self, nodes: Iterable[Raw]) -> None:
        """Take all nodes there are."""
        self._nodes = {node.name: node for node in map(node_of, nodes)}
        self.version += 1

    def unknown(self) -> None:
        """Forget all, as nobody tells of nodes."""
        self._nodes = None
        self.version += 1

    def observed(self, raw: Raw) -> bool:
        """Take a node as it is now; tell whether anything is new that is kept."""
        node = node_of(raw)
        if self._nodes is None or self._nodes.get(node.name) == node:
            return False
        self._nodes[node.name] = node
        self.version += 1
        return True

    def gone(self, name: str) -> bool:
        """Forget a node; tell whether it was known."""
        if self._nodes is None or self._nodes.pop(name, None) is None:
            return False
        self.version += 1
        return True

    def names(self) -> frozenset[str]:
        """Give the nodes that are known."""
        return frozenset(self._nodes or ())

    def now(self) -> Mapping[str, Node] | None:
        """Give a copy that no event changes; None where nothing is known."""
        return None if self._nodes is None else self._nodes.copy()


def node_of(raw: Raw) -> Node:
    """Read a node as the API server gives it."""
    metadata, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    conditions = status.get("conditions") or ()
    allocatable = status.get("allocatable") or {}
    return Node(
        name=metadata["name"],
        # Thousands of nodes have the same labels: each text is kept once.
        labels={
            intern(str(name)): intern(str(value))
            for name, value in (metadata.get("labels") or {}).items()
        },
        taints=tuple(
            Taint(
                intern(str(one.get("key", ""))),
                intern(str(one.get("value") or "")),
                intern(str(one.get("effect", ""))),
            )
            for one in spec.get("taints") or ()
        ),
        unschedulable=spec.get("unschedulable") is True,
        ready=any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions),
        cpus=_amount(allocatable.get("cpu")),
        memory_bytes=_amount(allocatable.get("memory")),
    )


def _amount(told: Any) -> Fraction | None:
    try:
        return None if told is None else parse_quantity(str(told))
    except ValueError:
        return None
