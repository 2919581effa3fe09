"""Pods that ask by annotation, made by the controllers that people use."""

import json
from dataclasses import dataclass, field
from typing import Any

from lab.cluster import Lab
from lab.commands import wait_for
from numalocal.idset import IdSet, union
from workers import IDLE, LOOK, START_TIMEOUT_S, Look, parse_look

ASKS = {"numalocal.io/cpusets": "1", "numalocal.io/engine": "openmp"}
DECODE_IMAGE = "docker.io/numalocal/decode:0.1.0"
BOUND = "numalocal.io/Bound"


def container(name: str = "engine", **fields: Any) -> dict[str, Any]:
    """Make a container that waits; its memory is not asked for."""
    return {"name": name, "image": DECODE_IMAGE, "command": list(IDLE), **fields}


def template(
    name: str, *containers: dict[str, Any], asks: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    """Make a pod template, labelled `app: <name>`, that asks for one set unless told otherwise."""
    return {
        "metadata": {"labels": {"app": name}, "annotations": ASKS if asks is None else asks},
        "spec": {
            "containers": list(containers or (container(),)),
            "terminationGracePeriodSeconds": 1,
            **spec,
        },
    }


def workload(kind: str, name: str, made: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Make a Deployment or a StatefulSet of one replica, or a Job."""
    version = "batch/v1" if kind == "Job" else "apps/v1"
    if kind != "Job":
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, **spec}
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"template": made, **spec},
    }


def pod(name: str, made: dict[str, Any]) -> dict[str, Any]:
    """Make a plain pod of a template."""
    metadata = {"name": name, **made["metadata"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": made["spec"]}


@dataclass(slots=True)
class Annotated:
    """Creates workloads and remembers them."""

    lab: Lab
    _made: list[tuple[str, str]] = field(default_factory=list)

    def create(self, document: dict[str, Any]) -> str:
        """Create or change an object; give what the API server said, warnings included."""
        key = (document["kind"], document["metadata"]["name"])
        if key not in self._made:
            self._made.append(key)
        return self.lab.kubectl("apply", "--filename", "-", stdin=json.dumps(document))

    def delete_all(self) -> None:
        if not self._made:
            return
        made = [f"{kind}/{name}" for kind, name in self._made]
        self.lab.kubectl("delete", *made, "--ignore-not-found", "--wait=false")
        names = [name for _, name in self._made]
        wait_for("pods gone", lambda: not self._all(*names), timeout_s=120)
        self._made.clear()

    def pods(self, name: str) -> list[dict[str, Any]]:
        """List the pods that are not on their way out."""
        return [one for one in self._all(name) if "deletionTimestamp" not in one["metadata"]]

    def _all(self, *names: str) -> list[dict[str, Any]]:
        selector = ("--selector", f"app in ({','.join(names)})")
        found: list[dict[str, Any]] = self.lab.kubectl_json("get", "pods", *selector)["items"]
        return found

    def condition(self, name: str) -> dict[str, Any]:
        conditions = [
            one
            for each in self.pods(name)
            for one in each["status"].get("conditions", ())
            if one["type"] == BOUND
        ]
        return conditions[0] if len(conditions) == 1 else {}

    def wait_bound(self, name: str) -> dict[str, Any]:
        """Wait until the one pod is told to be bound and is running; give the pod."""

        def bound() -> bool:
            found = self.pods(name)
            phases = {one["status"]["phase"] for one in found}
            return phases == {"Running"} and self.condition(name).get("status") == "True"

        wait_for(f"{name} bound", bound, timeout_s=START_TIMEOUT_S)
        (found,) = self.pods(name)
        return found

    def look(self, name: str, named: str = "engine") -> Look:
        """Read the node's /proc and /sys for a container of the one pod."""
        (found,) = self.pods(name)
        status = found["status"]
        every = (*status["containerStatuses"], *status.get("initContainerStatuses", ()))
        (one,) = (each for each in every if each["name"] == named)
        identity = one["containerID"].removeprefix("containerd://")
        return parse_look(self.lab.node(LOOK.replace("{id}", identity)))

    def environment(self, name: str, named: str = "engine") -> dict[str, str]:
        """Read the environment of a container's first process, by the container itself."""
        (found,) = self.pods(name)
        shown = self.lab.kubectl(
            "exec", found["metadata"]["name"], "--container", named, "--", "env"
        )
        return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)


SHARED = IdSet.parse("0-1,4-5")
"""Of the lab's node: the CPUs of no set."""
SETS = {IdSet.parse("2-3"): 0, IdSet.parse("6-7"): 1}
"""Its sets, with their NUMA nodes."""


def lent(held: IdSet) -> IdSet:
    """Give the CPUs of every other container while these are held: idle sets are lent to them."""
    return SHARED | union(one for one in SETS if not one & held)
