"""Namespaces of a test on an API server without nodes, and the workers in them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.api_server import ApiServer
from lab.commands import LabError, wait_for
from nodeless import named

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Space:
    """A namespace, in which a kubelet's word is the test's own."""

    api: ApiServer
    name: str
    node: str

    def prepare(self, labels: Mapping[str, str] | None = None) -> None:
        """Make the namespace, and the account that its pods have."""
        self.api.apply(
            {"apiVersion": "v1", "kind": "Namespace", **named(self.name, labels=labels or {})},
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                **named("default", namespace=self.name),
            },
        )

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.api.kubectl(*arguments, f"--namespace={self.name}", stdin=stdin)

    def get(self, kind: str, name: str) -> Raw:
        found: Raw = self.api.kubectl_json("get", kind, name, f"--namespace={self.name}")
        return found

    def worker(self, name: str, container: Raw | None = None, **spec: Any) -> None:
        engine = {"name": "engine", "image": "engine", **(container or {})}
        made = {
            "apiVersion": "numalocal.io/v1alpha1",
            "kind": "CpuInferenceWorker",
            **named(name, namespace=self.name),
            "spec": {"template": {"spec": {"containers": [engine]}}, **spec},
        }
        self.api.apply(made)

    def condition(self, worker: str, kind: str) -> Raw:
        status = self.get("ciw", worker).get("status", {})
        conditions = status.get("conditions", [])
        return next((one for one in conditions if one["type"] == kind), {"reason": ""})

    def wait_condition(self, worker: str, kind: str, reason: str, says: str = "") -> str:
        """Wait until a condition has a reason, and says this; give its message as it was then."""
        message = ""

        def holds() -> bool:
            nonlocal message
            found = self.condition(worker, kind)
            message = str(found.get("message", ""))
            return found["reason"] == reason and says in message

        soon(f"{worker}: {kind} {reason} {says}", holds)
        return message

    def pods(self) -> Mapping[str, str]:
        """Give the uid of each pod by its name."""
        listed = self.api.kubectl_json("get", "pods", f"--namespace={self.name}")["items"]
        return {one["metadata"]["name"]: one["metadata"]["uid"] for one in listed}

    def wait_pods(self, *names: str) -> Mapping[str, str]:
        """Wait until there are these pods and no other; give their uids."""
        soon(f"pods {names}", lambda: self.pods().keys() == set(names))
        return self.pods()

    def schedule(self, pod: str) -> None:
        target = {"apiVersion": "v1", "kind": "Node", "name": self.node}
        binding = {"apiVersion": "v1", "kind": "Binding", **named(pod), "target": target}
        path = f"/api/v1/namespaces/{self.name}/pods/{pod}/binding"
        self.api.kubectl("create", "--raw", path, "--filename", "-", stdin=json.dumps(binding))

    def serve(self, pod: str) -> None:
        """Let a pod be ready on the node."""
        self.schedule(pod)
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        patch = json.dumps({"status": status})
        self.kubectl("patch", "pod", pod, "--subresource=status", f"--patch={patch}")

    def is_there(self, kind: str, name: str) -> bool:
        try:
            self.get(kind, name)
        except LabError:
            return False
        return True


def soon(what: str, holds: Any) -> None:
    wait_for(what, holds, timeout_s=120, interval_s=0.2)
