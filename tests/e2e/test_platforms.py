"""Workers on platforms that refuse, change and count pods: a real API server without nodes."""

import json
import time
from collections.abc import Iterator

import pytest
from tests.operator.kstatus import CURRENT, IN_PROGRESS

from lab.api_server import ApiServer
from lab.commands import LabError
from nodeless import named, node
from spaces import Space, soon
from test_verified import operating
from watched import until_seen, watching

NODE = "node-p"
RESTRICTED = {
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
}


@pytest.fixture(scope="module", autouse=True)
def operator(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    node(api, NODE)
    with operating(api, tmp_path_factory.mktemp("operator")):
        yield


def space(api: ApiServer, name: str, **labels: str) -> Space:
    made = Space(api, name, NODE)
    made.prepare({f"pod-security.kubernetes.io/{key}": value for key, value in labels.items()})
    return made


def take_off(space: Space, label: str) -> None:
    """Let admission take a label off every pod of the namespace."""
    name = space.name
    path = f'"/metadata/labels/" + jsonpatch.escapeKey("{label}")'
    has = f'has(object.metadata.labels) && "{label}" in object.metadata.labels'
    expression = f'{has} ? [JSONPatch{{op: "remove", path: {path}}}] : []'
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]}
    chosen = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    api_version = "admissionregistration.k8s.io/v1"
    space.api.apply(
        {
            "apiVersion": api_version,
            "kind": "MutatingAdmissionPolicy",
            **named(name),
            "spec": {
                "matchConstraints": {
                    "resourceRules": [{**rule, "resources": ["pods"]}],
                    "namespaceSelector": chosen,
                },
                "reinvocationPolicy": "Never",
                "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
            },
        },
        {
            "apiVersion": api_version,
            "kind": "MutatingAdmissionPolicyBinding",
            **named(name),
            "spec": {"policyName": name},
        },
    )
    probe = ("run", "probe", "--image=x", f"--labels={label}=probe", "--dry-run=server")
    show = "--output=jsonpath={.metadata.labels}"
    soon("the policy works", lambda: label not in space.kubectl(*probe, show))


def test_a_restricted_namespace_takes_the_pods_of_templates_that_are_and_tells_of_others(
    api: ApiServer,
) -> None:
    here = space(api, "restricted", enforce="restricted")

    here.worker("fine", RESTRICTED)
    memory = {"perRank": "2Gi"}
    here.worker("ranks", RESTRICTED, ranks=2, engine={"name": "vllm"}, memory=memory)
    here.worker("open", replicas=3)

    here.wait_pods("fine-0", "ranks-0")
    for pod in ("fine-0", "ranks-0"):
        (check,) = here.get("pod", pod)["spec"]["initContainers"]
        assert "runAsUser" not in check["securityContext"], "a cluster may have its own to give"
    message = here.wait_condition("open", "Degraded", "PodRefused")
    assert message.startswith("pod open-0 (and 2 more): ")
    assert 'violates PodSecurity "restricted:latest"' in message
    assert "numalocal-check" not in message, "only the user's own container is at fault"


def test_a_quota_that_leaves_no_room_is_told_and_raised_is_used(api: ApiServer) -> None:
    here = space(api, "quota")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", **named("pods", namespace="quota")}
    api.apply({**quota, "spec": {"hard": {"pods": "0"}}})
    # No controller is there to count.
    status = {"status": {"hard": {"pods": "0"}, "used": {"pods": "0"}}}
    patch = ("--subresource=status", "--type=merge", f"--patch={json.dumps(status)}")
    here.kubectl("patch", "resourcequota", "pods", *patch)

    here.worker("llama")

    message = here.wait_condition("llama", "Degraded", "PodRefused")
    assert "exceeded quota: pods, requested: pods=1, used: pods=0, limited: pods=0" in message
    here.kubectl("delete", "resourcequota", "pods")
    here.kubectl("annotate", "ciw", "llama", "look=again")
    here.wait_pods("llama-0")


def test_a_namespace_that_ends_is_told_and_left_alone(api: ApiServer) -> None:
    here = space(api, "ending")
    here.worker("llama")
    here.wait_pods("llama-0")

    here.api.kubectl("delete", "namespace", "ending", "--wait=false")
    here.kubectl("delete", "pod", "llama-0", "--force", "--grace-period=0")

    message = here.wait_condition("llama", "Degraded", "PodRefused")
    assert "being terminated" in message
    assert here.pods() == {}


def test_admission_that_takes_the_revision_off_makes_no_pods_come_and_go(api: ApiServer) -> None:
    here = space(api, "norevision")
    take_off(here, "numalocal.io/revision")

    here.worker("llama", replicas=2)

    first = here.wait_pods("llama-0", "llama-1")
    message = here.wait_condition("llama", "Degraded", "LabelLost")
    assert message.startswith("pods have no label numalocal.io/revision: llama-0, llama-1; ")
    time.sleep(3)
    assert here.pods() == first


def test_scaling_and_waiting_by_kubectl_and_what_it_shows(api: ApiServer) -> None:
    here = space(api, "scaled")
    with watching(api.programs / "kubectl", api.kubeconfig, "llama", here.name) as watched:
        here.worker("llama", replicas=2, ranks=2)
        here.wait_pods("llama-0", "llama-1")
        here.serve("llama-1")
        soon("one serves", lambda: columns(here)[:2] == ["llama", "1/2"])
        assert columns(here)[2:6] == ["0/2", "Starting", "2", "cpuset"]
        with pytest.raises(LabError, match="timed out"):
            here.kubectl("wait", "--for=condition=Ready", "ciw/llama", "--timeout=1s")

        here.kubectl("scale", "ciw/llama", "--replicas=1")

        here.kubectl("wait", "--for=condition=Ready", "ciw/llama", "--timeout=30s")
        here.wait_pods("llama-1")
        assert columns(here)[1:4] == ["1/1", "0/1", "ReplicasReady"]
        until_seen(watched, CURRENT)
        watched.hold()
        assert watched.told == [IN_PROGRESS, CURRENT]


def columns(here: Space) -> list[str]:
    return here.kubectl("get", "ciw", "llama", "--no-headers").split()
