"""The pod of a replica: worker in, manifest out."""

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict
from typing import Any

from numalocal import names
from numalocal.quantity import parse_bytes
from numalocal.worker import Worker
from numalocal_operator.config import Config

Manifest = dict[str, Any]

API_VERSION = f"{names.DOMAIN}/v1alpha1"
KIND = "CpuInferenceWorker"


def pod_name(worker: Worker, replica: int) -> str:
    """Name a replica's pod: stable, so that a replica can never have two."""
    return f"{worker.name}-{replica}"


def selector(worker: Worker) -> Mapping[str, str]:
    """Give the labels that all pods of a worker have."""
    return {names.LABEL_WORKER: worker.name}


def revision(worker: Worker) -> str:
    """Hash what the user asked of a pod; a change of it replaces the pods.

    Our own settings and the nodes' numbers are left out: neither an upgrade of the operator nor a
    new node may restart a worker.
    """
    asked = [
        worker.template,
        worker.ranks,
        worker.pool,
        asdict(worker.engine),
        worker.memory_per_rank_bytes,
    ]
    text = json.dumps(asked, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def manifest(
    worker: Worker, replica: int, *, cpus_per_set: int | None, attempt: int, config: Config
) -> Manifest:
    """Make the pod of a replica.

    `cpus_per_set` is the number of CPUs of the pool's largest set on any node, None while no node
    offers the pool; then the CPU request is left to the template.  `attempt` counts replacements.
    """
    template = deepcopy(dict(worker.template))
    spec = template["spec"]
    engine = next(one for one in spec["containers"] if one["name"] == worker.engine_container)
    _size_engine(engine, worker, cpus_per_set)
    inits = spec.get("initContainers") or []
    bound = [names.CHECK_CONTAINER, *(one["name"] for one in inits)]
    spec["initContainers"] = [_check_container(engine, worker, config), *inits]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(worker, replica, attempt, bound, template.get("metadata") or {}),
        "spec": spec,
    }


def _metadata(
    worker: Worker, replica: int, attempt: int, bound: list[str], theirs: Mapping[str, Any]
) -> Manifest:
    owner = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": worker.name,
        "uid": worker.uid,
        "controller": True,
    }
    labels = {
        **selector(worker),
        names.LABEL_REPLICA: str(replica),
        names.LABEL_REVISION: revision(worker),
    }
    return {
        "name": pod_name(worker, replica),
        "namespace": worker.namespace,
        "labels": {**(theirs.get("labels") or {}), **labels},
        "annotations": {
            **(theirs.get("annotations") or {}),
            **_annotations(worker, attempt, bound),
        },
        "ownerReferences": [owner],
    }


def _annotations(worker: Worker, attempt: int, bound: list[str]) -> dict[str, str]:
    """Tell the agent of the node what this pod's containers are."""
    annotations = {
        names.ANNOTATION_ENGINE: worker.engine.name,
        names.ANNOTATION_OPENMP: worker.engine.openmp,
        names.ANNOTATION_CONTAINER: worker.engine_container,
        names.ANNOTATION_BOUND_CONTAINERS: ",".join(bound),
    }
    if worker.engine.reserved_cores is not None:
        annotations[names.ANNOTATION_RESERVED_CORES] = str(worker.engine.reserved_cores)
    if attempt:
        annotations[names.ANNOTATION_ATTEMPT] = str(attempt)
    return annotations


def _size_engine(engine: Manifest, worker: Worker, cpus_per_set: int | None) -> None:
    """Add the CPU sets, and mirror their CPUs and the ranks' memory for the scheduler.

    Without these requests the pod would be BestEffort: first to be evicted, and its node's CPUs
    would be sold twice.
    """
    resources = engine["resources"] = dict(engine.get("resources") or {})
    limits = resources["limits"] = dict(resources.get("limits") or {})
    requests = resources["requests"] = dict(resources.get("requests") or {})
    resource = names.resource(worker.pool)
    limits[resource] = requests[resource] = str(worker.ranks)
    if "cpu" not in requests and cpus_per_set is not None:
        requests["cpu"] = str(worker.ranks * cpus_per_set)
    if "memory" not in limits and worker.memory_bytes is not None:
        limits["memory"] = _larger(requests.get("memory"), worker.memory_bytes)
    if "memory" in limits:
        requests.setdefault("memory", limits["memory"])
    engine["env"] = [*(engine.get("env") or ()), *_memory_variable(worker)]


def _larger(requested: object, needed_bytes: int) -> str:
    """Give the larger amount of memory; a request that is no amount is the API server's to refuse.

    A limit below the user's own request would be refused.
    """
    try:
        requested_bytes = parse_bytes(str(requested))
    except ValueError:
        return str(needed_bytes)
    return str(max(requested_bytes, needed_bytes))


def _check_container(engine: Manifest, worker: Worker, config: Config) -> Manifest:
    """Make the init container that verifies the binding before anything else starts.

    It has the engine's cpu and memory, which cost nothing (the scheduler counts the larger of init
    and app containers): its cgroup then has the limit that it is to check.  It never has a device,
    ours or another's: a kubelet restart would then fail the running pod (kubernetes#138446).
    """
    resources = {
        kind: {name: amounts[name] for name in ("cpu", "memory") if name in amounts}
        for kind, amounts in engine["resources"].items()
        if kind in ("limits", "requests")
    }
    return {
        "name": names.CHECK_CONTAINER,
        "image": config.binder_image,
        "imagePullPolicy": config.binder_pull_policy,
        "args": ["check"],
        "env": _memory_variable(worker),
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _memory_variable(worker: Worker) -> list[Manifest]:
    if worker.memory_per_rank_bytes is None:
        return []
    value = str(worker.memory_per_rank_bytes)
    return [{"name": names.ENV_MEMORY_PER_RANK_BYTES, "value": value}]
