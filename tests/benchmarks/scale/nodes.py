"""Nodes that nobody runs: what their agents and kubelets would write is written here."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nodeless import named, topology
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool
from numalocal_deviceplugin.abilities import Told
from numalocal_deviceplugin.node.document import About, document, stamped
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State

from ...deviceplugin.nodes import make_machine
from .calls import MERGE, STRATEGIC, Request
from .objects import CONTAINER, Object

NUMA_NODES, CORES, SIZE, SETS = 2, 66, 8, 16
NODE_BYTES = 512 << 30
FOREIGN = "foreign"

Batches = Iterator[Iterable[Request]]
"""Requests that may go in any order, batch after batch."""

_TOPOLOGIES = "/apis/numalocal.io/v1alpha1/nodecputopologies"
_SINCE = "2026-01-02T03:04:05Z"
_IMAGES = 30
_NODE_CONDITIONS = {
    "MemoryPressure": "False",
    "DiskPressure": "False",
    "PIDPressure": "False",
    "Ready": "True",
}
_CONDITIONS = (
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
)


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that a node runs, in the node's set of this number."""

    namespace: str
    name: str
    uid: str
    node: str
    number: int

    @property
    def container_id(self) -> str:
        return self.uid.replace("-", "") * 2

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"


def node_name(number: int) -> str:
    return f"ip-10-{number // 250}-{number % 250}-7.eu-central-1.compute.internal"


def told_of_node() -> dict[str, Any]:
    """Make what the agent of a machine with 264 CPUs says, of which nobody has one yet."""
    machine = make_machine(NUMA_NODES, CORES, 2)
    filled = tuple(one._replace(memory_bytes=NODE_BYTES) for one in machine.nodes)
    machine = machine._replace(nodes=filled)
    state = State(machine, partition(machine, (Pool(name="cpuset", size=SIZE),)))
    state.set_policy(Policy.NONE)
    state.runtime_told(Told("containerd", "2.1.4"))
    state.runtime_synchronized()
    told = document(state.snapshot(), About(agent="0.1.0", kernel="6.12.48+deb13-cloud-amd64"))
    assert len(told["sets"]) == SETS, told["sets"]
    return stamped(told, None, _SINCE)


def nodes_start(count: int, first: int = 0) -> Batches:
    """Let nodes be there, and let every agent write its node's object."""
    names, status = [node_name(one) for one in range(first, count)], told_of_node()
    yield (Request("POST", "/api/v1/nodes", _node(one)) for one in names)
    # Each is born with one that the controller of nodes takes off.
    untainted = {"spec": {"taints": None}}
    yield (Request("PATCH", f"/api/v1/nodes/{one}", untainted, MERGE) for one in names)
    yield (Request("POST", _TOPOLOGIES, topology(one)) for one in names)
    yield (_patch(f"{_TOPOLOGIES}/{one}", status, MERGE) for one in names)


def agents_tell(pods: Sequence[Pod]) -> Iterator[Request]:
    """Let every node's object show the pods that hold sets of it."""
    of_node: dict[str, list[Pod]] = {}
    for one in pods:
        of_node.setdefault(one.node, []).append(one)
    for node, ours in of_node.items():
        sets = told_of_node()["sets"]
        for one in ours:
            sets[one.number] |= {"state": "Held", "owner": _owner(one)}
        yield _patch(f"{_TOPOLOGIES}/{node}", {"sets": sets}, MERGE)


def _owner(pod: Pod) -> Object:
    return {
        "namespace": pod.namespace,
        "pod": pod.name,
        "uid": pod.uid,
        "container": CONTAINER["name"],
        "rank": 0,
        "containerID": pod.container_id,
        "started": "Bound",
    }


def kubelets_start(pods: Sequence[Pod]) -> Batches:
    """Let the nodes take their pods and run them."""
    yield (Request("POST", f"{one.path}/binding", _binding(one)) for one in pods)
    yield (_patch(one.path, status_of_pod(one), STRATEGIC) for one in pods)


def foreign_pods(count: int, nodes: int) -> Batches:
    """Let others run as many pods."""
    path = f"/api/v1/namespaces/{FOREIGN}/pods"
    pods = [
        Pod(FOREIGN, f"web-{one}", f"{one:032x}", node_name(one % nodes), 0) for one in range(count)
    ]
    yield (Request("POST", path, _foreign(one)) for one in pods)
    yield (_patch(one.path, status_of_pod(one), STRATEGIC) for one in pods)


def _patch(path: str, status: Object, kind: str) -> Request:
    return Request("PATCH", f"{path}/status", {"status": status}, kind)


def _node(name: str) -> Object:
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": "m8i.metal-48xl",
        "topology.kubernetes.io/zone": "eu-central-1a",
        "topology.kubernetes.io/region": "eu-central-1",
    }
    has = {"cpu": "264", "memory": "1056Gi", "pods": "110", "numalocal.io/cpuset": str(SETS)}
    conditions = [
        {"type": one, "status": status, "reason": "KubeletTells", "message": "kubelet tells so"}
        for one, status in _NODE_CONDITIONS.items()
    ]
    images = [
        {"names": [f"{_image(f'image-{one}:1')['imageID']}"], "sizeBytes": 1 << 28}
        for one in range(_IMAGES)
    ]
    status = {
        "capacity": has,
        "allocatable": has,
        "conditions": conditions,
        "images": images,
        "addresses": [{"type": "InternalIP", "address": "10.0.0.7"}],
    }
    return {"apiVersion": "v1", "kind": "Node", **named(name, labels=labels), "status": status}


def _binding(pod: Pod) -> Object:
    target = {"apiVersion": "v1", "kind": "Node", "name": pod.node}
    return {"apiVersion": "v1", "kind": "Binding", **named(pod.name), "target": target}


def _foreign(pod: Pod) -> Object:
    labels = {"app": "web", "pod-template-hash": "5d8f9c7b6"}
    spec = {"nodeName": pod.node, "containers": [CONTAINER]}
    return {"apiVersion": "v1", "kind": "Pod", **named(pod.name, labels=labels), "spec": spec}


def status_of_pod(pod: Pod) -> Object:
    """Make the status of a pod that runs, its check passed."""
    report = {
        "verified": True,
        "cpus": "2-17",
        "mems": "0",
        "ranks": [{"cpus": "2-17", "numaNode": 0, "memoryBytes": 17179869184}],
        "message": "bound",
    }
    ended = {
        "exitCode": 0,
        "reason": "Completed",
        "startedAt": _SINCE,
        "finishedAt": _SINCE,
        "message": json.dumps(report),
        "containerID": f"containerd://{pod.container_id[::-1]}",
    }
    own = pod.namespace != FOREIGN
    check = {"name": "numalocal-check", "state": {"terminated": ended}, **_image("binder:0.1.0")}
    engine = {
        "name": CONTAINER["name"],
        "state": {"running": {"startedAt": _SINCE}},
        "containerID": f"containerd://{pod.container_id}",
        "started": True,
        **_image("engine:1.2.3"),
    }
    return {
        "phase": "Running",
        "conditions": [
            {"type": one, "status": "True", "lastTransitionTime": _SINCE, "lastProbeTime": None}
            for one in _CONDITIONS
        ],
        "hostIP": "10.0.0.7",
        "hostIPs": [{"ip": "10.0.0.7"}],
        "podIP": "10.244.3.17",
        "podIPs": [{"ip": "10.244.3.17"}],
        "startTime": _SINCE,
        "initContainerStatuses": [check] if own else [],
        "containerStatuses": [engine],
    }


def _image(name: str) -> Object:
    image = f"registry.example/serving/{name}"
    sha = "sha256:" + "c0ffee42" * 8
    return {"image": image, "imageID": f"{image}@{sha}", "ready": True, "restartCount": 0}
