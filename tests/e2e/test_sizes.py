"""Workers sized by nodes that differ, come and are cordoned: a real API server without kubelets."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.api_server import ApiServer
from nodeless import Caller, named, offering
from spaces import Space, soon
from test_verified import operating

GIB = 1 << 30
LARGE, SMALL = "node-large", "node-small"


@pytest.fixture
def operator(api: ApiServer, tmp_path: Path) -> Iterator[None]:
    with operating(api, tmp_path):
        yield


@pytest.fixture(scope="module")
def large(api: ApiServer) -> Caller:
    """Have a node with two sets of 112 CPUs."""
    return offering(api, LARGE, "sized", cpus=112, gib=200)


def cordon(api: ApiServer, name: str, *, off: bool) -> None:
    patch = json.dumps({"spec": {"unschedulable": off or None}})
    api.kubectl("patch", "node", name, "--type=merge", f"--patch={patch}")


def space(api: ApiServer, name: str) -> Space:
    made = Space(api, name, LARGE)
    made.prepare()
    return made


def request(here: Space, pod: str) -> Any:
    container = here.get("pod", pod)["spec"]["containers"][0]
    return container["resources"]["requests"].get("cpu")


@pytest.mark.usefixtures("operator")
def test_a_pod_follows_the_nodes_until_it_has_one_and_its_worker_tells(api: ApiServer) -> None:
    here = space(api, "follows")
    here.worker("llama", pool="sized")
    before = here.wait_pods("llama-0")
    assert request(here, "llama-0") is None
    message = here.wait_condition("llama", "Degraded", "NoNodeFits")
    assert message.startswith("no node can take a replica: ")

    offering(api, LARGE, "sized", cpus=112, gib=200)
    soon("made anew with a request", lambda: request(here, "llama-0") == "112")
    assert here.pods() != before
    here.wait_condition("llama", "Degraded", "AsPlanned")

    offering(api, SMALL, "sized", cpus=16, gib=64)
    soon("made anew for the small node too", lambda: request(here, "llama-0") == "16")
    memory = here.get("pod", "llama-0")["spec"]["containers"][0]["resources"]["limits"]["memory"]
    assert memory == str(64 * GIB)

    for name in (LARGE, SMALL):
        cordon(api, name, off=True)
    message = here.wait_condition("llama", "Degraded", "NoNodeFits")
    assert "2 nodes: cordoned" in message
    for name in (LARGE, SMALL):
        cordon(api, name, off=False)
    here.wait_condition("llama", "Degraded", "AsPlanned")

    here.serve("llama-0")
    here.wait_condition("llama", "Ready", "ReplicasReady")


@pytest.mark.usefixtures("operator", "large")
def test_a_limit_range_is_told_as_a_cpu_quota_with_the_way_out(api: ApiServer) -> None:
    here = space(api, "ranged")
    limits = [{"type": "Container", "default": {"cpu": "1"}}]
    limited = {"apiVersion": "v1", "kind": "LimitRange", **named("low", namespace=here.name)}
    api.apply({**limited, "spec": {"limits": limits}})
    here.worker("early", pool="nobodys")
    here.worker("llama", pool="sized")

    message = here.wait_condition("llama", "Degraded", "CpuQuota")
    assert "must be less than or equal to cpu limit of 1" in message
    here.wait_pods("early-0")
    assert here.get("pod", "early-0")["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "1"

    here.worker("llama", {"resources": {"limits": {"cpu": "112"}}}, pool="sized")
    here.wait_pods("early-0", "llama-0")
    here.wait_condition("llama", "Degraded", "AsPlanned")
    assert here.get("pod", "llama-0")["status"]["qosClass"] == "Guaranteed"


@pytest.mark.usefixtures("operator", "large")
def test_a_limit_that_is_too_low_is_refused_by_its_field(api: ApiServer) -> None:
    here = space(api, "low")
    here.worker("llama", {"resources": {"limits": {"cpu": "2"}}}, pool="sized")

    message = here.wait_condition("llama", "Degraded", "InvalidSpec")

    assert message.startswith(
        "spec.template.spec.containers[0].resources.limits.cpu: '2' throttles"
    )
    assert here.pods() == {}


def test_an_operator_that_may_not_see_nodes_serves_all_the_same(
    api: ApiServer, tmp_path: Path
) -> None:
    role = "numalocal-operator"
    found = api.kubectl_json("get", "clusterrole", role)
    rules = [one for one in found["rules"] if one["resources"] != ["nodes"]]
    api.kubectl(
        "patch", "clusterrole", role, "--type=merge", f"--patch={json.dumps({'rules': rules})}"
    )
    try:
        soon("nodes may not be seen", lambda: "no" in may_list(api))
        with operating(api, tmp_path):
            here = space(api, "blind")
            here.worker("llama", pool="sized")
            here.wait_pods("llama-0")
            assert "nodes are not seen" in (tmp_path / "log").read_text()
    finally:
        patch = json.dumps({"rules": found["rules"]})
        api.kubectl("patch", "clusterrole", role, "--type=merge", f"--patch={patch}")


def may_list(api: ApiServer) -> str:
    account = "system:serviceaccount:numalocal-system:numalocal-operator"
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": account, "resourceAttributes": {"verb": "list", "resource": "nodes"}},
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    answer = api.kubectl("create", "--raw", path, "--filename", "-", stdin=json.dumps(review))
    return "yes" if json.loads(answer)["status"]["allowed"] else "no"
