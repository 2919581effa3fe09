"""The operator on a real API server: what it makes of a node's word, whichever comes first.

There is no kubelet: the tests write what one would.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes import config as kubernetes_config

from lab.api_server import ApiServer
from lab.commands import wait_for
from nodeless import OPERATOR, Caller, agent, named, node, token, topology
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.observing.topologies import Topologies
from operating import kubeconfig, running_operator, webhook

NAMESPACE = "serving"
NODE = "node-v"
POOL = "narrow"
REPORT = {
    "verified": True,
    "cpus": "2-3",
    "mems": "0",
    "ranks": [{"cpus": "2-3", "numaNode": 0}],
    "message": "bound",
}


@pytest.fixture(scope="module")
def of_node(api: ApiServer) -> Caller:
    """The agent of the node, whose object is there with a pool."""
    node(api, NODE)
    made = agent(api, NODE)
    made.create(topology(NODE))
    pool = {"name": POOL, "sets": 2, "cpusPerSet": 2, "nodeMemoryBytes": 8 << 30, "free": 2}
    made.patch(NODE, {"pools": [pool], "sets": []})
    return made


@pytest.fixture(scope="module", autouse=True)
def operator(
    api: ApiServer, of_node: Caller, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Run the operator with the rights that the chart gives it."""
    api.apply({"apiVersion": "v1", "kind": "Namespace", **named(NAMESPACE)})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", **named("default")}
    account["metadata"]["namespace"] = NAMESPACE
    api.apply(account)
    with operating(api, tmp_path_factory.mktemp("operator"), **webhook("cert-manager")):
        yield


@contextmanager
def operating(api: ApiServer, folder: Path, **variables: str) -> Iterator[None]:
    """Run the operator; pytest shows its log where a test has failed."""
    try:
        with running_operator(api, folder, **variables):
            yield
    finally:
        sys.stdout.write((folder / "log").read_text())


def started(api: ApiServer, name: str, container_id: str) -> str:
    """Let the pod's check have passed, and its engine run; give the pod's uid."""
    check = {
        "name": "numalocal-check",
        "state": {"terminated": {"exitCode": 0, "message": json.dumps(REPORT)}},
        "image": "check",
        "imageID": "",
        "ready": True,
        "restartCount": 0,
    }
    engine = {
        "name": "engine",
        "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}},
        "containerID": f"containerd://{container_id}",
        "image": "engine",
        "imageID": "",
        "ready": True,
        "restartCount": 0,
    }
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "initContainerStatuses": [check],
        "containerStatuses": [engine],
    }
    flags = [
        "--subresource=status",
        "--type=strategic",
        f"--patch={json.dumps({'status': status})}",
    ]
    api.kubectl("patch", "pod", name, f"--namespace={NAMESPACE}", *flags)
    return str(pod(api, name)["metadata"]["uid"])


def scheduled(api: ApiServer, name: str) -> None:
    target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
    binding = {"apiVersion": "v1", "kind": "Binding", **named(name), "target": target}
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/binding"
    api.kubectl("create", "--raw", path, "--filename", "-", stdin=json.dumps(binding))


def shows(of_node: Caller, uid: str, container_id: str, how: str = "Bound") -> None:
    """Let the node's object show how a container was started."""
    owner = {"namespace": NAMESPACE, "pod": "p", "uid": uid, "container": "engine", "rank": 0}
    owner |= {"containerID": container_id, "started": how}
    code, answer = of_node.patch(
        NODE, {"sets": [{"id": "cpuset-n0-c2x2", "state": "Held", "owner": owner}]}
    )
    assert code == 200, answer


def pod(api: ApiServer, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.kubectl_json("get", "pod", name, f"--namespace={NAMESPACE}")
    return found


def pods(api: ApiServer) -> str:
    return api.kubectl("get", "pods", f"--namespace={NAMESPACE}", "--output=name")


def placement(api: ApiServer) -> Mapping[str, Any]:
    worker = api.kubectl_json("get", "ciw", "llama", f"--namespace={NAMESPACE}")
    placements = worker.get("status", {}).get("placements") or [{}]
    return dict(placements[0])


def reasons(api: ApiServer, name: str) -> list[str]:
    chosen = f"--field-selector=involvedObject.name={name}"
    listed = api.kubectl_json("get", "events", f"--namespace={NAMESPACE}", chosen)["items"]
    return [one["reason"] for one in listed]


def soon(what: str, holds: Callable[[], object]) -> None:
    wait_for(what, holds, timeout_s=120, interval_s=0.2)


def test_a_worker_is_verified_by_its_node_at_every_start_and_replaced_where_it_was_unbound(
    api: ApiServer, of_node: Caller
) -> None:
    worker = {
        "apiVersion": "numalocal.io/v1alpha1",
        "kind": "CpuInferenceWorker",
        **named("llama", namespace=NAMESPACE),
        "spec": {
            "pool": POOL,
            "template": {"spec": {"containers": [{"name": "engine", "image": "engine"}]}},
        },
    }
    api.apply(worker)
    soon("the worker's pod", lambda: "pod/llama-0" in pods(api))
    (engine,) = pod(api, "llama-0")["spec"]["containers"]
    assert engine["resources"]["requests"]["cpu"] == "2", "the size of the node's sets"
    scheduled(api, "llama-0")

    uid = started(api, "llama-0", "first")
    soon("a reason", lambda: "does not say yet" in placement(api).get("message", ""))
    assert placement(api)["verified"] is False
    shows(of_node, uid, "first")
    soon("verified", lambda: placement(api)["verified"])

    shows(of_node, uid, "second")
    started(api, "llama-0", "second")
    soon("verified again", lambda: placement(api)["verified"] and not placement(api).get("message"))

    started(api, "llama-0", "third")
    shows(of_node, uid, "third", "Unbound")
    soon("its end", lambda: "deletionTimestamp" in pod(api, "llama-0")["metadata"])
    soon("an event", lambda: "StartedUnbound" in reasons(api, "llama"))
    force = ["--force", "--grace-period=0"]
    api.kubectl("delete", "pod", "llama-0", f"--namespace={NAMESPACE}", *force)
    soon("another pod", lambda: "pod/llama-0" in pods(api))
    assert pod(api, "llama-0")["metadata"]["uid"] != uid
    api.kubectl("delete", "ciw", "llama", f"--namespace={NAMESPACE}")


def test_a_pod_by_annotation_is_told_what_its_node_shows(api: ApiServer, of_node: Caller) -> None:
    annotations = {"numalocal.io/cpusets": "1", "numalocal.io/container": "engine"}
    labels = {"numalocal.io/injected": "true", "numalocal.io/bound": "true"}
    made = {
        "apiVersion": "v1",
        "kind": "Pod",
        **named("any", namespace=NAMESPACE, annotations=annotations, labels=labels),
        "spec": {
            "initContainers": [{"name": "numalocal-check", "image": "check"}],
            "containers": [{"name": "engine", "image": "engine"}],
        },
    }
    api.apply(made)
    scheduled(api, "any")

    def bound() -> tuple[str, str]:
        conditions = pod(api, "any")["status"].get("conditions", ())
        found = [one for one in conditions if one["type"] == "numalocal.io/Bound"]
        return (found[0]["status"], found[0]["reason"]) if found else ("", "")

    soon("a condition", lambda: bound() == ("Unknown", "Checking"))
    uid = started(api, "any", "one")
    soon("waiting for the node", lambda: bound() == ("Unknown", "Starting"))
    shows(of_node, uid, "one")
    soon("bound", lambda: bound() == ("True", "Verified"))
    shows(of_node, uid, "one", "Unbound")
    soon("unbound", lambda: bound() == ("False", "StartedUnbound"))
    soon("an event of each", lambda: sorted(reasons(api, "any")) == ["StartedUnbound", "Verified"])


def test_nodes_are_listed_with_the_operators_rights(
    api: ApiServer, of_node: Caller, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig(api, token(api, account=OPERATOR)))
    connection = kubernetes_config.new_client_from_config(str(path))  # type: ignore[no-untyped-call] # has no types
    cluster, topologies = Cluster(connection), Topologies()

    topologies.listed(cluster.topologies())

    assert NODE in topologies.names()
    assert (topologies.now() or {})[NODE].pools[POOL].cpus_per_set == 2
