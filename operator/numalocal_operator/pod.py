"""The pod of a replica: worker in, manifest out."""

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

from numalocal import engines, names
from numalocal.engines import Told
from numalocal.worker import jobs
from numalocal.worker.spec import Worker
from numalocal_operator.config import Config

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolNumbers:
    """What nodes say of a pool, None while none offers it.

    `cpus_per_set` is the number of CPUs of its largest set on any node, `node_bytes` the MemTotal
    of the largest NUMA node with one.
    """

    cpus_per_set: int | None = None
    node_bytes: int | None = None


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
        worker.template.raw,
        worker.ranks,
        worker.pool,
        {name: value for name, value in asdict(worker.engine).items() if value is not None},
        worker.memory_per_rank_bytes,
    ]
    text = json.dumps(asked, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def manifest(
    worker: Worker, replica: int, *, numbers: PoolNumbers, attempt: int, config: Config
) -> Manifest:
    """Make the pod of a replica.

    While no node offers the pool the CPU request is left to the template.  `attempt` counts
    replacements.
    """
    template = deepcopy(dict(worker.template.raw))
    spec = template["spec"]
    engine = next(one for one in spec["containers"] if one["name"] == worker.template.engine.name)
    _size_engine(engine, worker, numbers.cpus_per_set)
    told = _told(worker, numbers)
    if told.arguments:
        engine["args"] = [*(engine.get("args") or ()), *told.arguments]
    engine["env"] += [{"name": name, "value": value} for name, value in told.variables.items()]
    if shm_bytes := jobs.shm_bytes(worker):
        _share_memory(spec, engine, shm_bytes)
    check = _check_container(engine, worker, config)
    spec["initContainers"] = [check, *(spec.get("initContainers") or ())]
    notes = (*worker.template.notes, *told.notes)
    annotations = _annotations(worker, attempt, notes)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(worker, replica, template.get("metadata") or {}, annotations),
        "spec": spec,
    }


def _told(worker: Worker, numbers: PoolNumbers) -> Told:
    limit_bytes = jobs.memory_limit_bytes(worker)
    return engines.tell(jobs.job(worker, limit_bytes=limit_bytes, node_bytes=numbers.node_bytes))


def _share_memory(spec: Manifest, engine: Manifest, shm_bytes: int) -> None:
    """Give the ranks a /dev/shm of their size: without it a pod has 64 MiB."""
    volume = {"medium": "Memory", "sizeLimit": str(shm_bytes)}
    spec["volumes"] = [*(spec.get("volumes") or ()), {"name": names.SHM_VOLUME, "emptyDir": volume}]
    mount = {"name": names.SHM_VOLUME, "mountPath": "/dev/shm"}
    engine["volumeMounts"] = [*(engine.get("volumeMounts") or ()), mount]


def _metadata(
    worker: Worker, replica: int, theirs: Mapping[str, Any], annotations: Mapping[str, str]
) -> Manifest:
    owner = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
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
        "annotations": {**(theirs.get("annotations") or {}), **annotations},
        "ownerReferences": [owner],
    }


def _annotations(worker: Worker, attempt: int, notes: tuple[str, ...]) -> dict[str, str]:
    """Tell the agent of the node what this pod's containers are, and people what it is not told.

    Init containers that end have the engine's cores before it; those that stay are others.
    """
    inits = worker.template.init_containers
    bound = (names.CHECK_CONTAINER, *(one.name for one in inits if not one.sidecar))
    annotations = {
        names.ANNOTATION_ENGINE: worker.engine.name,
        names.ANNOTATION_OPENMP: worker.engine.openmp,
        names.ANNOTATION_CONTAINER: worker.template.engine.name,
        names.ANNOTATION_BOUND_CONTAINERS: ",".join(bound),
    }
    if worker.engine.reserved_cores is not None:
        annotations[names.ANNOTATION_RESERVED_CORES] = str(worker.engine.reserved_cores)
    if attempt:
        annotations[names.ANNOTATION_ATTEMPT] = str(attempt)
    if notes:
        annotations[names.ANNOTATION_NOTES] = "\n".join(notes)
    return annotations


def _size_engine(engine: Manifest, worker: Worker, cpus_per_set: int | None) -> None:
    """Add the CPU sets, and mirror their CPUs and the ranks' memory for the scheduler.

    Without these requests the pod would be BestEffort: first to be evicted, and its node's CPUs
    would be sold twice.
    """
    resources = engine["resources"] = dict(engine.get("resources") or {})
    limits = resources["limits"] = _given(resources.get("limits"))
    requests = resources["requests"] = _given(resources.get("requests"))
    resource = names.resource(worker.pool)
    limits[resource] = requests[resource] = str(worker.ranks)
    if "cpu" not in requests and cpus_per_set is not None:
        requests["cpu"] = str(worker.ranks * cpus_per_set)
    if "memory" not in limits and (limit_bytes := jobs.memory_limit_bytes(worker)) is not None:
        limits["memory"] = str(limit_bytes)
    if "memory" in limits:
        requests.setdefault("memory", limits["memory"])
    engine["env"] = [*(engine.get("env") or ()), *_memory_variable(worker)]


def _given(amounts: Mapping[str, Any] | None) -> Manifest:
    """Leave out what is null: as an amount the API server would read it as none at all."""
    return {name: amount for name, amount in (amounts or {}).items() if amount is not None}


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
