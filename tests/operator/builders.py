"""Workers and pods as the API server gives them, small enough to read in a test."""

from collections.abc import Mapping
from typing import Any

from numalocal.worker.inject import PoolNumbers
from numalocal.worker.spec import Worker, parse_worker
from numalocal_operator.config import Config
from numalocal_operator.observing.observed import ObservedPod
from numalocal_operator.planning.numbers import used
from numalocal_operator.planning.pod import manifest, mould, revision

CONFIG = Config(binder_image="numalocal/binder:test")
NUMBERS = PoolNumbers(cpus_per_set=4, node_bytes=256 << 30)
NOW = "2026-01-02T03:04:05Z"
NOW_S = 1767323045.0


def raw_worker(*containers: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    """Make a worker `llama` in the namespace `serving`, with one plain container."""
    return {
        "apiVersion": "numalocal.io/v1alpha1",
        "kind": "CpuInferenceWorker",
        "metadata": {"name": "llama", "namespace": "serving", "uid": "w-1", "generation": 1},
        "spec": {
            "template": {
                "spec": {"containers": [*(containers or ({"name": "engine", "image": "x"},))]}
            },
            **spec,
        },
    }


def make_worker(*containers: Mapping[str, Any], **spec: Any) -> Worker:
    return parse_worker(raw_worker(*containers, **spec))


def make_pod(worker: Worker, replica: int = 0, **changed: Any) -> ObservedPod:
    """Make a ready pod of a worker's present revision, but for what is given."""
    fields: dict[str, Any] = {
        "name": f"{worker.name}-{replica}",
        "uid": f"p-{replica}",
        "owner_uid": worker.uid,
        "owner_kind": "CpuInferenceWorker",
        "label": worker.name,
        "released": False,
        "released_from": "",
        "replica": replica,
        "revision": revision(worker),
        "attempt": 0,
        "created_at_s": NOW_S - 60,
        "ended_at_s": NOW_S - 60,
        "deleted_at_s": NOW_S + 30 if changed.get("deleting") else 0.0,
        "was_ready": False,
        "terminal": False,
        "deleting": False,
        "ready": True,
        "node": "node-a",
        "check_passed": None,
        "check_message": "",
        "engine": "engine",
        "engine_id": "c-1",
        "engine_ended": "",
        "started": True,
        "unschedulable": "",
        "failure": "",
        "restarted": "",
        "restarts": 0,
        "ready_at_s": NOW_S - 30,
        "notes": (),
        "sized_by": used(worker.ask, NUMBERS),
        "kept_off": frozenset(),
        "best_effort": False,
        "cpu_limit": None,
        "limited_by_range": False,
        "admitted": None,
    }
    return ObservedPod(**{**fields, **changed})


def raw_pod(worker: Worker, replica: int = 0, **status: Any) -> dict[str, Any]:
    """Make a pod as the operator creates it, with the status given."""
    pod = manifest(mould(worker, NUMBERS, CONFIG), replica, attempt=0)
    pod["metadata"] |= {"uid": f"p-{replica}", "creationTimestamp": NOW}
    return {**pod, "status": status}


def topology(name: str = "node-a", **status: Any) -> dict[str, Any]:
    """Make the object of a node."""
    return {"metadata": {"name": name}, "status": status}


def owned(pod_uid: str, container_id: str, started: str = "Bound", rank: int = 0) -> dict[str, Any]:
    """Make a set that a container of a pod holds."""
    owner = {"namespace": "serving", "pod": "p", "uid": pod_uid, "container": "engine"}
    owner |= {"containerID": container_id, "started": started}
    return {"id": f"n0-{rank}", "state": "Held", "owner": {**owner, "rank": rank}}


def running(container_id: str = "c-1", name: str = "engine") -> dict[str, Any]:
    """Give the status of a container that runs."""
    state = {"running": {"startedAt": NOW}}
    return {"name": name, "containerID": f"containerd://{container_id}", "state": state}


def over(container_id: str = "c-1", exit_code: int = 0, name: str = "engine") -> dict[str, Any]:
    """Give the status of a container that has ended."""
    identity = f"containerd://{container_id}"
    state = {"exitCode": exit_code, "startedAt": NOW, "finishedAt": NOW, "containerID": identity}
    return {"name": name, "containerID": identity, "state": {"terminated": state}}


def ended_check(message: str, exit_code: int = 0) -> dict[str, Any]:
    """Give the status of a check container that has ended with a termination message."""
    ended = {"exitCode": exit_code, "message": message, "finishedAt": NOW}
    return {"name": "numalocal-check", "state": {"terminated": ended}}


def raw_node(name: str = "node-a", labels: Any = None, **spec: Any) -> dict[str, Any]:
    """Make a node that is ready."""
    metadata = {"name": name, "labels": {} if labels is None else labels}
    ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": NOW}
    return {"metadata": metadata, "spec": spec, "status": {"conditions": [ready]}}
