"""The Service and the PodDisruptionBudget of a worker: what is to be done for them to be as asked.

Only what we write is compared and changed, by a merge into this very object: what others add, such
as annotations, a node port or the type LoadBalancer, stays.  Server-side apply would do the same,
but create over somebody else's object of the name, and undo none of another manager's ports.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from numalocal import names
from numalocal.worker.companions import Budget, Service
from numalocal.worker.inject import Manifest
from numalocal.worker.spec import Worker
from numalocal_operator.observing.companions import BUDGET, SERVICE, Companion
from numalocal_operator.planning.pod import owner, selector

_VERSIONS: Final = {SERVICE: "v1", BUDGET: "policy/v1"}
_NO_ADDRESS: Final = "None"
_TYPES: Final = ("ClusterIP", "NodePort", "LoadBalancer")
"""Of a Service with an address: the last two have what the first has, and more."""
_OUR_PORT: Final = ("name", "port", "targetPort", "protocol")


class Create(NamedTuple):
    """One that is missing."""

    manifest: Manifest


class Change(NamedTuple):
    """A merge patch for one that differs from what is asked."""

    companion: Companion
    patch: Manifest


class Remove(NamedTuple):
    """One of ours that nobody asks for any more, or that cannot be changed into what is asked."""

    companion: Companion


class Taken(NamedTuple):
    """Somebody else's that has the name."""

    companion: Companion


Step = Create | Change | Remove | Taken


def step(worker: Worker, kind: str, there: Companion | None) -> Step | None:
    """Give what is to be done for one kind; None where nothing is, or where one is going."""
    wanted = _manifest(worker, kind)
    if there is None:
        return None if wanted is None else Create(wanted)
    ours = there.owner_uid == worker.uid
    if wanted is None:
        return Remove(there) if ours and not there.deleting else None
    left_behind = there.label == worker.name and not there.owner_uid
    if there.deleting:
        return None
    if not (ours or left_behind):
        return Taken(there)
    if kind == SERVICE and _has_address(wanted["spec"]) != _has_address(there.spec):
        return Remove(there)  # an address cannot be given or taken later
    patch = _metadata(worker, there) | _changes(kind, wanted["spec"], there.spec)
    return Change(there, {"metadata": {"uid": there.uid}} | patch) if patch else None


def _manifest(worker: Worker, kind: str) -> Manifest | None:
    asked = worker.companions.service if kind == SERVICE else worker.companions.budget
    if asked is None:
        return None
    labels = selector(worker.name)
    made = _service(asked, labels) if isinstance(asked, Service) else _budget(asked, labels)
    return {
        "apiVersion": _VERSIONS[kind],
        "kind": kind,
        "metadata": {
            "name": worker.name,
            "namespace": worker.namespace,
            "labels": dict(labels),
            "ownerReferences": [owner(worker)],
        },
        "spec": made,
    }


def _service(asked: Service, labels: Mapping[str, str]) -> Manifest:
    return {
        **({"clusterIP": _NO_ADDRESS} if asked.headless else {}),
        "type": _TYPES[0],
        "selector": dict(labels),
        "publishNotReadyAddresses": asked.unready,
        "ports": [
            {
                "name": one.name,
                "port": one.port,
                "targetPort": one.target,
                "protocol": one.protocol,
            }
            for one in asked.ports
        ],
    }


def _budget(asked: Budget, labels: Mapping[str, str]) -> Manifest:
    amounts = {"maxUnavailable": asked.max_unavailable, "minAvailable": asked.min_available}
    return {
        "selector": {"matchLabels": dict(labels)},
        "unhealthyPodEvictionPolicy": asked.unhealthy,
        **{name: amount for name, amount in amounts.items() if amount is not None},
    }


def _has_address(spec: Mapping[str, Any]) -> bool:
    return spec.get("clusterIP") != _NO_ADDRESS


def _metadata(worker: Worker, there: Companion) -> Manifest:
    metadata: Manifest = {}
    if there.label != worker.name:
        metadata["labels"] = dict(selector(worker.name))
    if there.owner_uid != worker.uid:
        # A merge writes the whole list: not over owners that have come meanwhile.
        metadata["resourceVersion"] = str(there.version)
        metadata["ownerReferences"] = [*there.owners, owner(worker)]
    return {"metadata": {"uid": there.uid, **metadata}} if metadata else {}


def _changes(kind: str, wanted: Manifest, there: Mapping[str, Any]) -> Manifest:
    changes = _of_service(wanted, there) if kind == SERVICE else _of_budget(wanted, there)
    return {"spec": changes} if changes else {}


def _of_service(wanted: Manifest, there: Mapping[str, Any]) -> Manifest:
    changes: Manifest = {}
    if there.get("type", _TYPES[0]) not in _TYPES:
        changes["type"] = wanted["type"]
    unready = wanted["publishNotReadyAddresses"]
    if unready != bool(there.get("publishNotReadyAddresses")):
        changes["publishNotReadyAddresses"] = unready
    labels = there.get("selector") or {}
    if labels != wanted["selector"]:
        changes["selector"] = dict.fromkeys(labels) | wanted["selector"]
    ports = there.get("ports") or []
    if [_ours(one) for one in ports] != wanted["ports"]:
        changes["ports"] = _merged(wanted["ports"], ports)
    return changes


def _ours(port: Mapping[str, Any]) -> Manifest:
    filled = {"name": "", "targetPort": port.get("port"), "protocol": "TCP", **port}
    return {name: filled.get(name) for name in _OUR_PORT}


def _merged(wanted: Sequence[Manifest], there: Sequence[Mapping[str, Any]]) -> list[Manifest]:
    """Keep what others say of a port that stays, such as its node port or `appProtocol`."""
    known = {(one.get("port"), one.get("protocol", "TCP")): one for one in there}
    return [{**known.get((one["port"], one["protocol"]), {}), **one} for one in wanted]


def _of_budget(wanted: Manifest, there: Mapping[str, Any]) -> Manifest:
    changes = {
        name: wanted.get(name)
        for name in ("maxUnavailable", "minAvailable", "unhealthyPodEvictionPolicy")
        if wanted.get(name) != there.get(name)
    }
    if there.get("selector") != wanted["selector"]:
        changes["selector"] = {"matchExpressions": None} | _replaced(wanted, there)
    return changes


def _replaced(wanted: Manifest, there: Mapping[str, Any]) -> Manifest:
    labels = (there.get("selector") or {}).get("matchLabels") or {}
    return {"matchLabels": dict.fromkeys(labels) | wanted["selector"]["matchLabels"]}


def is_leaving(companion: Companion) -> bool:
    """Tell whether the garbage collector has yet to come: its owner was a worker of this name."""
    return companion.owner_kind == names.KIND
