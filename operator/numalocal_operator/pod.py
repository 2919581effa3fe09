"""The pod of a replica: worker in, manifest out."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from numalocal import names
from numalocal.worker.inject import Manifest, PoolNumbers, inject
from numalocal.worker.spec import Worker
from numalocal_operator.config import Config


def pod_name(worker: Worker, replica: int) -> str:
    """Name a replica's pod: stable, so that a replica can never have two."""
    return f"{worker.name}-{replica}"


def selector(worker: str) -> Mapping[str, str]:
    """Give the labels that all pods of a worker have, by its name."""
    return {names.LABEL_WORKER: worker}


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
    """Make the pod of a replica; `attempt` counts replacements."""
    injected = inject(worker.template, worker.ask, numbers, config.check)
    annotations = dict(injected.annotations)
    if attempt:
        annotations[names.ANNOTATION_ATTEMPT] = str(attempt)
    theirs = worker.template.raw.get("metadata") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(worker, replica, theirs, annotations),
        "spec": injected.spec,
    }


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
        **selector(worker.name),
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
