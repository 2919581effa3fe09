"""Workers of a test, and what the node itself says of their processes."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.cluster import Lab
from lab.commands import LabError, wait_for
from numalocal.host.observation import bytes_on_node
from numalocal.idset import IdSet

START_TIMEOUT_S = 180
DECODE = ("numalocal-decode", "--weights", "32Mi", "--seconds", "0")
IDLE = ("sh", "-c", "trap 'exit 0' TERM; sleep infinity & wait")
"""An engine for tests that ask nothing of one, and that ends when it is asked to.

Under emulation a busy one slows everything down.
"""

# Everything of one container's processes in one go: a shell on the node costs a second.
LOOK = """
scope=$(find /sys/fs/cgroup/kubepods.slice -name 'cri-containerd-{id}.scope' -type d)
echo "@@cgroup"; cat "$scope"/cpuset.cpus.effective "$scope"/cpuset.mems.effective
for pid in $(cat "$scope"/cgroup.procs); do
    echo "@@command"; tr '\\0' ' ' <"/proc/$pid/cmdline"; echo
    echo "@@threads"; grep -hE '^(Cpus|Mems)_allowed_list' /proc/"$pid"/task/*/status
    echo "@@maps"; cat "/proc/$pid/numa_maps"
done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the node's kernel says of a container, over all its processes and threads."""

    cgroup_cpus: IdSet
    cgroup_mems: IdSet
    thread_cpus: tuple[IdSet, ...]
    thread_mems: tuple[IdSet, ...]
    bytes_on_node: Mapping[int, int]

    @property
    def local_share(self) -> float:
        """Share of private memory on the nodes of the cgroup."""
        total = sum(self.bytes_on_node.values())
        return sum(self.bytes_on_node.get(node, 0) for node in self.cgroup_mems) / total


@dataclass(slots=True)
class Workers:
    """Creates workers and remembers them."""

    lab: Lab
    names: list[str] = field(default_factory=list)

    def create(
        self,
        name: str,
        *,
        command: tuple[str, ...] = IDLE,
        args: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        seccomp: str = "",
        capabilities: tuple[str, ...] = (),
        security: Mapping[str, Any] | None = None,
        grace_s: int = 1,
        before: tuple[str, ...] = (),
        **spec: Any,
    ) -> None:
        container: dict[str, Any] = {
            "name": "engine",
            "image": "docker.io/numalocal/decode:0.1.0",
            **({"args": list(args)} if args else {"command": list(command)}),
            "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
        }
        if security is not None:
            container["securityContext"] = security
        elif capabilities:
            container["securityContext"] = {"capabilities": {"add": list(capabilities)}}
        pod: dict[str, Any] = {"containers": [container], "terminationGracePeriodSeconds": grace_s}
        if before:  # an init container, whose end the engine waits for
            pod["initContainers"] = [{**container, "name": "before", "command": list(before)}]
        if seccomp:
            pod["securityContext"] = {"seccompProfile": {"type": seccomp}}
        worker = {
            "apiVersion": "numalocal.io/v1alpha1",
            "kind": "CpuInferenceWorker",
            "metadata": {"name": name},
            "spec": {"template": {"spec": pod}, **spec},
        }
        self.names.append(name)
        self.lab.kubectl("apply", "--filename", "-", stdin=json.dumps(worker))

    def delete(self, *names: str) -> None:
        """Delete workers, and wait until their pods are gone."""
        self.lab.kubectl("delete", "ciw", *names, "--ignore-not-found")
        wait_for(f"{', '.join(names)} gone", lambda: not self.pods(*names), timeout_s=120)
        self.names = [one for one in self.names if one not in names]

    def delete_all(self) -> None:
        if self.names:
            self.delete(*self.names)

    def pods(self, *names: str) -> list[dict[str, Any]]:
        selector = f"numalocal.io/worker in ({','.join(names)})"
        found: list[dict[str, Any]] = self.lab.kubectl_json("get", "pods", "--selector", selector)[
            "items"
        ]
        return found

    def pod(self, name: str) -> dict[str, Any]:
        found = self.pods(name)
        if len(found) != 1:
            raise LabError(f"worker {name} has {len(found)} pods, one was expected")
        return found[0]

    def status(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = self.lab.kubectl_json("get", "ciw", name).get("status", {})
        return status

    def condition(self, name: str, kind: str) -> dict[str, Any]:
        conditions = self.status(name).get("conditions", [])
        return next((one for one in conditions if one["type"] == kind), {})

    def wait_ready(self, name: str) -> dict[str, Any]:
        """Wait until the worker serves; give its status."""
        wait_for(
            f"worker {name} ready",
            lambda: self.condition(name, "Available").get("status") == "True",
            timeout_s=START_TIMEOUT_S,
        )
        return self.status(name)

    def wait_verified(self, name: str) -> dict[str, Any]:
        """Wait until the worker serves and its nodes have shown how; give its status.

        A runtime that is too slow under emulation goes on without the agent now and then: the
        engine's pod is then replaced, which takes as long as a start.
        """
        self.wait_ready(name)

        def verified() -> bool:
            placements = self.status(name).get("placements", ())
            return bool(placements) and all(one["verified"] for one in placements)

        wait_for(f"worker {name} verified", verified, timeout_s=START_TIMEOUT_S)
        return self.status(name)

    def wait_condition(self, name: str, kind: str, reason: str) -> dict[str, Any]:
        """Wait until a condition has a reason; give the condition as it was then."""
        found: dict[str, Any] = {}

        def has_reason() -> bool:
            nonlocal found
            found = self.condition(name, kind)
            return bool(found.get("reason") == reason)

        wait_for(
            f"worker {name}: condition {kind} with reason {reason}",
            has_reason,
            timeout_s=START_TIMEOUT_S,
        )
        return found

    def log(self, name: str) -> str:
        return self.lab.kubectl("logs", self.pod(name)["metadata"]["name"], "--container", "engine")

    def wait_log(self, name: str, pattern: str) -> str:
        """Wait until the engine has printed a line; give its whole log."""
        wait_for(
            f"worker {name}: a line like {pattern!r}",
            lambda: re.search(pattern, self.log(name)),
            timeout_s=START_TIMEOUT_S,
        )
        return self.log(name)

    def look(self, name: str) -> Look:
        """Read the node's /proc and /sys for the engine's container."""
        (container,) = self.pod(name)["status"]["containerStatuses"]
        identity = container["containerID"].removeprefix("containerd://")
        return parse_look(self.lab.node(LOOK.replace("{id}", identity)))


def parse_look(text: str) -> Look:
    parts: dict[str, list[str]] = {"cgroup": [], "command": [], "threads": [], "maps": []}
    for part in text.split("@@")[1:]:
        kind, _, body = part.partition("\n")
        parts[kind].append(body)
    cpus, mems = parts["cgroup"][0].split("\n")[:2]
    threads = "".join(parts["threads"])
    return Look(
        cgroup_cpus=IdSet.parse(cpus),
        cgroup_mems=IdSet.parse(mems),
        thread_cpus=_lists("Cpus", threads),
        thread_mems=_lists("Mems", threads),
        bytes_on_node=bytes_on_node("".join(parts["maps"])),
    )


def _lists(kind: str, text: str) -> tuple[IdSet, ...]:
    found = re.findall(rf"^{kind}_allowed_list:\s*(\S*)$", text, re.MULTILINE)
    return tuple(IdSet.parse(one) for one in found)
