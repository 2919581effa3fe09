"""What is created: workers, and Deployments of as many pods of the same container."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nodeless import named

from .audit import CONTROLLERS, OPERATOR

NAMESPACE = "scale"
REPLICAS = 2
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"

Object = Mapping[str, Any]

CONTAINER = {
    "name": "engine",
    "image": "registry.example/serving/engine:1.2.3",
    "args": ["--model", "/models/llama-3.1-8b-instruct", "--port", "8000"],
    "env": [{"name": "MODEL_NAME", "value": "llama-3.1-8b-instruct"}],
    "ports": [{"name": "http", "containerPort": 8000}],
    "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}},
}


@dataclass(frozen=True, slots=True)
class Kind:
    """Objects that a controller makes pods of; `users` are the controller's.

    `told` is the field of the status that counts the pods.
    """

    name: str
    path: str
    api_version: str
    kind: str
    users: tuple[str, ...]
    specific: Object

    def document(self, number: int) -> Object:
        """Make the object of a number."""
        name = f"llama-{number}"
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [CONTAINER]}}
        spec = {"replicas": REPLICAS, "template": template, **self.specific}
        if self.kind == "Deployment":
            spec["selector"] = {"matchLabels": labels}
        head = {"apiVersion": self.api_version, "kind": self.kind}
        return {**head, **named(name, namespace=NAMESPACE), "spec": spec}

    @staticmethod
    def says_so(found: Object) -> bool:
        """Tell whether the status of an object counts all its pods, of what is asked now."""
        status, now = found.get("status") or {}, found["metadata"]["generation"]
        counts = (status.get("replicas"), status.get("updatedReplicas"))
        return counts == (REPLICAS, REPLICAS) and status.get("observedGeneration") == now


def _path(group: str, plural: str) -> str:
    return f"/apis/{group}/namespaces/{NAMESPACE}/{plural}"


WORKERS = Kind(
    name="workers",
    path=_path("numalocal.io/v1alpha1", "cpuinferenceworkers"),
    api_version="numalocal.io/v1alpha1",
    kind="CpuInferenceWorker",
    users=(OPERATOR,),
    specific={"ranks": 1, "engine": {"name": "vllm"}, "memory": {"perRank": "16Gi"}},
)
DEPLOYMENTS = Kind(
    name="Deployments",
    path=_path("apps/v1", "deployments"),
    api_version="apps/v1",
    kind="Deployment",
    users=CONTROLLERS,
    specific={},
)
