"""The pod of a replica: worker in, manifest out."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from numalocal import names
from numalocal.engines import EngineSettings
from numalocal.sets.memoryask import BOUND_LOCALLY, Enforcement, MemoryAsk
from numalocal.worker.inject import Manifest, PoolNumbers, inject
from numalocal.worker.spec import Worker
from numalocal_operator.config import Config
from numalocal_operator.observing import sizes
from numalocal_operator.planning.affinity import keep_off, kept_off
from numalocal_operator.planning.numbers import used

_ALWAYS_COUNTED: Final = ("name", "openmp")
"""Fields of the engine in every revision, also by default: to leave one out now would roll all."""


def pod_name(worker: Worker, replica: int) -> str:
    """Name a replica's pod: stable, so that a replica can never have two."""
    return f"{worker.name}-{replica}"


def successor_name(worker: Worker, replica: int, predecessor_uid: str) -> str:
    """Name the pod that takes the place of one that does not end: every operator gives the same."""
    return f"{pod_name(worker, replica)}-{hashlib.sha256(predecessor_uid.encode()).hexdigest()[:8]}"


def selector(worker: str) -> Mapping[str, str]:
    """Give the labels that all pods of a worker have, by its name."""
    return {names.LABEL_WORKER: worker}


def revision(worker: Worker) -> str:
    """Hash what the user asked of a pod; a change of it replaces the pods.

    Our own settings and the nodes' numbers are left out, and fields that are as they are by default
    but for those that always counted: neither an upgrade of the operator, which may bring new
    fields, nor a new node may restart a worker.
    """
    asked = [
        worker.template.raw,
        worker.ranks,
        worker.pool,
        _said(worker.engine, _ALWAYS_COUNTED),
        worker.memory_per_rank_bytes,
        *(["Headless"] if _is_named(worker) else []),
        *([_said(worker.memory)] if worker.memory != BOUND_LOCALLY else []),
        *([worker.enforcement] if worker.enforcement is not Enforcement.REQUIRED else []),
    ]
    text = json.dumps(asked, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _said(settings: EngineSettings | MemoryAsk, always: Sequence[str] = ()) -> Manifest:
    """Give the fields that are not as they are by default, and those that always count."""
    given = ((field, getattr(settings, field.name)) for field in fields(settings))
    return {
        field.name: value
        for field, value in given
        if value != field.default or field.name in always
    }


@dataclass(frozen=True, slots=True)
class Mould:
    """What all pods of a worker have in common; nobody changes it."""

    worker: Worker
    spec: Manifest
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def mould(worker: Worker, numbers: PoolNumbers, config: Config, off: Sequence[str] = ()) -> Mould:
    """Work out what all pods of a worker have in common, sized by the numbers of its pool.

    `off` are the nodes that they are kept off.
    """
    injected = inject(worker.template, worker.ask, numbers, config.check)
    theirs = worker.template.raw.get("metadata") or {}
    labels = {
        **(theirs.get("labels") or {}),
        **selector(worker.name),
        names.LABEL_BOUND: "true",
        names.LABEL_REVISION: revision(worker),
    }
    annotations = {**(theirs.get("annotations") or {}), **injected.annotations}
    annotations[names.ANNOTATION_NUMBERS] = sizes.write(used(worker.ask, numbers))
    return Mould(worker, keep_off(injected.spec, off), labels, annotations | kept_off(off))


def manifest(cast: Mould, replica: int, *, attempt: int, name: str | None = None) -> Manifest:
    """Make the pod of a replica; `attempt` counts replacements.

    It has the replica's own name but where another is given.
    """
    worker = cast.worker
    annotations = dict(cast.annotations)
    if attempt:
        annotations[names.ANNOTATION_ATTEMPT] = str(attempt)
    spec = cast.spec
    if _is_named(worker):
        spec = {**_name_in_dns(worker.name, pod_name(worker, replica)), **spec}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name or pod_name(worker, replica),
            "namespace": worker.namespace,
            "labels": {**cast.labels, names.LABEL_REPLICA: str(replica)},
            "annotations": annotations,
            "ownerReferences": [owner(worker)],
        },
        "spec": spec,
    }


def _is_named(worker: Worker) -> bool:
    """Tell whether every replica has a name in the DNS: its worker asks for a headless Service."""
    service = worker.companions.service
    return service is not None and service.headless


def _name_in_dns(worker: str, replica: str) -> Manifest:
    """Let a replica be found as `<replica>.<worker>`; what the template says goes before."""
    return {"subdomain": worker, **({"hostname": replica} if names.is_label(replica) else {})}


def changed(asked: Manifest, made: Mapping[str, Any]) -> str:
    """Say what admission has changed of what a pod is told by; empty where nothing.

    A pod without its owner is adopted, and one without its revision stays as it is.
    """
    before, after = asked["metadata"], made["metadata"]
    if after["name"] != before["name"]:
        return "its name"
    labels = after.get("labels") or {}
    for one in (names.LABEL_WORKER, names.LABEL_BOUND):
        if labels.get(one) != before["labels"][one]:
            return f"its label {one}"
    return ""


def owner(worker: Worker) -> Manifest:
    """Give the reference by which a pod names its worker as its owner."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": worker.name,
        "uid": worker.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
