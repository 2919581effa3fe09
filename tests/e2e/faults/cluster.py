"""What the API server says: pods, the worker's status, what the node offers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

LOOK = ("get", "pods,cpuinferenceworkers,nodes", "--all-namespaces")
"""Of kubectl."""

BOUND = "numalocal.io/Bound"
SYSTEM = "numalocal-system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod that has not ended."""

    uid: str
    name: str
    app: str
    """Whose it is: a name of the population, agent, operator, or empty."""
    ready: bool
    leaving: bool
    bound: bool
    """It is told to be bound, by the condition of an annotated pod."""
    containers: tuple[str, ...]
    """Ids of those that run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The cluster at one look."""

    pods: tuple[Pod, ...]
    verified: tuple[str, ...]
    """Pods of which the worker's status says that they are verified."""
    available: bool
    """The worker's condition."""
    offered: int
    """CPU sets that the node offers."""
    node_ready: bool

    def of(self, app: str) -> tuple[Pod, ...]:
        """Give the pods of one name."""
        return tuple(one for one in self.pods if one.app == app)


def parse(document: dict[str, Any]) -> Cluster:
    """Read a list of pods, workers and nodes."""
    items = document["items"]
    (node,) = _of("Node", items)
    workers = [one.get("status", {}) for one in _of("CpuInferenceWorker", items)]
    placements = [one for status in workers for one in status.get("placements", ())]
    return Cluster(
        pods=tuple(
            _pod(one)
            for one in _of("Pod", items)
            if one["status"].get("phase") not in {"Failed", "Succeeded"}
        ),
        verified=tuple(one["pod"] for one in placements if one.get("verified") is True),
        available=bool(workers) and all(_true(status, "Available") for status in workers),
        offered=int(node["status"]["allocatable"].get("numalocal.io/cpuset", "0")),
        node_ready=_true(node["status"], "Ready"),
    )


def _of(kind: str, items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in items if one["kind"] == kind]


def _pod(document: dict[str, Any]) -> Pod:
    metadata, status = document["metadata"], document["status"]
    labels = metadata.get("labels", {})
    names = ("numalocal.io/worker", "app", "app.kubernetes.io/component")
    return Pod(
        uid=metadata["uid"],
        name=metadata["name"],
        app=next((labels[name] for name in names if name in labels), ""),
        ready=_true(status, "Ready"),
        leaving="deletionTimestamp" in metadata,
        bound=_true(status, BOUND),
        containers=tuple(
            one["containerID"].removeprefix("containerd://")
            for one in status.get("containerStatuses", ())
            if "running" in one.get("state", {})
        ),
    )


def _true(status: dict[str, Any], kind: str) -> bool:
    conditions = status.get("conditions", ())
    return any(one["type"] == kind and one["status"] == "True" for one in conditions)
