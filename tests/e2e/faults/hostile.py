"""Pods that lie to the agent in their annotations, as anybody who may create a pod can."""

import json
from typing import Any

from faults.population import HOSTILE, pod_spec

_FORGED = {"sets": [{"id": "cpuset-n0-c2x2", "cpus": "2-3", "numaNode": 0}]}
_DEEP = "[" * 5000 + "]" * 5000
_ANNOTATIONS = {
    "reserved-cores of 5,000 digits": {"numalocal.io/reserved-cores": "9" * 5000},
    "reserved-cores of letters": {"numalocal.io/reserved-cores": "\u0663\u0664"},
    "more CPU sets than a number holds": {"numalocal.io/cpusets": "9" * 30},
    "an assignment of its own": {
        "assignment.numalocal.io/cpuset": json.dumps(_FORGED),
        "numalocal.io/assignment": json.dumps(_FORGED),
    },
    "an assignment of all CPUs": {
        "assignment.numalocal.io/cpuset": '{"sets": [{"id": "x", "cpus": "0-8191"}]}',
        "numalocal.io/assignment": '{"sets": [{"id": "x", "cpus": "0-8191"}]}',
    },
    "an assignment of nothing": {"assignment.numalocal.io/cpuset": '{"sets": []}'},
    "an assignment on an infinite node": {
        "assignment.numalocal.io/cpuset": json.dumps(_FORGED).replace(": 0", ": Infinity")
    },
    "an assignment that is deep": {"assignment.numalocal.io/cpuset": _DEEP},
    "assignments of two pools": {
        "assignment.numalocal.io/cpuset": json.dumps(_FORGED),
        "assignment.numalocal.io/other": json.dumps(_FORGED),
    },
    "memory without end": {"numalocal.io/memory": "9" * 4000 + "Gi"},
    "an engine of 100 kB": {"numalocal.io/engine": "x" * 100_000},
    "a container of control characters": {"numalocal.io/container": "\x1b[2J\n"},
    "containers that are not there": {"numalocal.io/bound-containers": "engine," * 2000},
}


def documents() -> list[tuple[str, dict[str, Any]]]:
    """Give every hostile pod with what it does."""
    return [(what, _pod(annotations)) for what, annotations in _ANNOTATIONS.items()]


def _pod(annotations: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": HOSTILE, "labels": {"app": HOSTILE}, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec(grace_s=1)}
