"""Who must survive: a worker and an annotated Deployment with a set each, an ordinary one."""

import json
from collections.abc import Mapping
from typing import Any

from faults.cluster import SYSTEM
from faults.judging import Expected
from lab.cluster import Lab
from lab.commands import wait_for
from numalocal.idset import IdSet

WORKER = "faults-worker"
ANNOTATED = "faults-annotated"
ORDINARY = "faults-ordinary"
HOSTILE = "faults-hostile"
EXPECTED = Expected(
    sets={IdSet.parse("2-3"): 0, IdSet.parse("6-7"): 1},
    replicas={WORKER: 1, ANNOTATED: 1, ORDINARY: 1, "agent": 1, "operator": 2},
    engines=frozenset({WORKER, ANNOTATED}),
    worker=WORKER,
)
_IMAGE = "docker.io/numalocal/decode:0.1.0"


def pod_spec(name: str = "engine", grace_s: int = 4) -> dict[str, Any]:
    """Make the spec of a pod that waits; process 1 has no handler, so it ignores SIGTERM."""
    container = {"name": name, "image": _IMAGE, "command": ["sleep", "infinity"]}
    return {"containers": [container], "terminationGracePeriodSeconds": grace_s}


def deployment(name: str, annotations: Mapping[str, str]) -> dict[str, Any]:
    """Make a Deployment of one replica."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": dict(annotations)},
                "spec": pod_spec(),
            },
        },
    }


def documents() -> list[dict[str, Any]]:
    """Make the objects of the population."""
    asks = {
        "numalocal.io/cpusets": "1",
        "numalocal.io/engine": "openmp",
        "numalocal.io/memory": "64Mi",
    }
    worker = {
        "apiVersion": "numalocal.io/v1alpha1",
        "kind": "CpuInferenceWorker",
        "metadata": {"name": WORKER},
        "spec": {
            "engine": {"name": "openmp"},
            "memory": {"perRank": "64Mi"},
            "template": {"spec": pod_spec()},
        },
    }
    return [worker, deployment(ANNOTATED, asks), deployment(ORDINARY, {})]


def create(lab: Lab) -> None:
    """Create the population; harmless where it is there."""
    apply(lab, {"apiVersion": "v1", "kind": "List", "items": documents()})


def apply(lab: Lab, document: dict[str, Any]) -> None:
    """Create or change an object."""
    lab.kubectl("apply", "--filename", "-", stdin=json.dumps(document))


def delete(lab: Lab) -> None:
    """Delete the population and what faults have made, and wait until their pods are gone."""
    lab.kubectl("delete", "ciw", WORKER, "--ignore-not-found", "--wait=false")
    lab.kubectl("delete", "deploy", ANNOTATED, ORDINARY, "--ignore-not-found", "--wait=false")
    lab.kubectl("delete", "pods", "--selector", f"app={HOSTILE}", "--wait=false")
    everywhere = ("get", "pods", "--output", "name")
    wait_for("no pod", lambda: not lab.kubectl(*everywhere), timeout_s=120, interval_s=1)


def agent(lab: Lab) -> dict[str, Any]:
    """Give the agent's pod."""
    selector = ("--selector", "app.kubernetes.io/component=agent")
    (found,) = lab.kubectl_json("get", "pods", "--namespace", SYSTEM, *selector)["items"]
    made: dict[str, Any] = found
    return made
