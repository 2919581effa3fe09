"""Workers on platforms that refuse, change and count pods: a real API server without nodes."""

import json
import time
from collections.abc import Iterator

import pytest
from tests.operator.kstatus import CURRENT, IN_PROGRESS

from lab.api_server import ApiServer, controlling
from lab.commands import LabError
from nodeless import named, offering
from spaces import Raw, Space, soon
from test_verified import operating
from watched import until_seen, watching

NODE = "node-p"
WORKER_LABEL = "numalocal.io/worker"
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
    offering(api, NODE, "cpuset", cpus=2, gib=4, sets=8)
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
    soon("the policy works", lambda: not keeps(space, label))


def keeps(space: Space, label: str) -> bool:
    """Tell whether a pod that is made now would have a label."""
    probe = ("run", "probe", "--image=x", f"--labels={label}=probe", "--dry-run=server")
    return label in space.kubectl(*probe, "--output=jsonpath={.metadata.labels}")


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

    # Admission may see the quota before its status, and then refuses otherwise.
    why = "exceeded quota: pods, requested: pods=1, used: pods=0, limited: pods=0"
    here.wait_condition("llama", "Degraded", "PodRefused", why)
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
    message = here.wait_condition("llama", "Degraded", "PodChanged")
    assert message.startswith("pods have no label numalocal.io/revision: llama-0, llama-1; ")
    time.sleep(3)
    assert here.pods() == first


def test_admission_that_takes_the_workers_label_off_lets_no_pods_pile_up(api: ApiServer) -> None:
    here = space(api, "nolabel")
    take_off(here, "numalocal.io/worker")

    here.worker("llama", replicas=2)

    message = here.wait_condition("llama", "Degraded", "PodChanged")
    assert message.startswith("pod llama-0 (and 1 more): admission changes its label ")
    time.sleep(3)
    assert here.pods() == {}
    api.kubectl("delete", "mutatingadmissionpolicybinding", "nolabel")
    soon("the policy is gone", lambda: keeps(here, "numalocal.io/worker"))
    here.kubectl("scale", "ciw/llama", "--replicas=1")
    soon("a pod", lambda: here.pods().keys() == {"llama-0"})


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

        here.kubectl("wait", "--for=condition=Ready", "ciw/llama", "--timeout=120s")
        here.wait_pods("llama-1")
        assert columns(here)[1:4] == ["1/1", "0/1", "ReplicasReady"]
        until_seen(watched, CURRENT)
        watched.hold()
        assert watched.told == [IN_PROGRESS, CURRENT]


def columns(here: Space) -> list[str]:
    return here.kubectl("get", "ciw", "llama", "--no-headers").split()


def test_a_service_and_a_budget_come_change_and_go_as_asked_and_what_others_add_stays(
    api: ApiServer,
) -> None:
    here = space(api, "companions")
    port = {"ports": [{"name": "http", "containerPort": 8000}]}
    here.worker("llama", port, service={}, disruptionBudget={"minAvailable": "50%"})
    for kind in ("service", "pdb"):
        soon(kind, lambda kind=kind: here.is_there(kind, "llama"))
    before = {kind: here.get(kind, "llama") for kind in ("service", "pdb")}
    assert before["service"]["spec"]["ports"][0]["targetPort"] == 8000
    assert before["pdb"]["spec"]["minAvailable"] == "50%"

    public = {"metadata": {"annotations": {"a": "b"}}, "spec": {"type": "LoadBalancer"}}
    edit(here, "service", public)
    edit(here, "service", {"spec": {"selector": {"app": "mine"}}})
    edit(here, "pdb", {"spec": {"minAvailable": 0}})
    here.worker("llama", port, service={"ports": [{"port": 80}]}, disruptionBudget={})

    def spec(kind: str) -> Raw:
        found: Raw = here.get(kind, "llama")["spec"]
        return found

    soon("the port", lambda: [one["port"] for one in spec("service")["ports"]] == [80])
    soon("the selector", lambda: spec("service")["selector"] == {WORKER_LABEL: "llama"})
    soon("the amount", lambda: spec("pdb").get("maxUnavailable") == 1)
    assert "minAvailable" not in spec("pdb")
    service = here.get("service", "llama")
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["metadata"]["annotations"] == {"a": "b"}
    assert service["metadata"]["uid"] == before["service"]["metadata"]["uid"]

    here.kubectl("delete", "service/llama", "pdb/llama", "--wait=false")
    for kind in ("service", "pdb"):
        soon(f"another {kind}", lambda kind=kind: here.is_there(kind, "llama"))
    here.worker("llama", port, service={"type": "Headless"})
    soon("no budget", lambda: not here.is_there("pdb", "llama"))
    soon("no address", lambda: spec("service")["clusterIP"] == "None")
    soon("a named pod", lambda: here.get("pod", "llama-0")["spec"].get("subdomain") == "llama")
    here.worker("llama", port)
    soon("no service", lambda: not here.is_there("service", "llama"))


def edit(here: Space, kind: str, patch: Raw) -> None:
    here.kubectl("patch", kind, "llama", "--type=merge", f"--patch={json.dumps(patch)}")


def test_somebody_elses_service_of_the_name_is_left_alone_and_told(api: ApiServer) -> None:
    here = space(api, "taken")
    here.kubectl("create", "service", "clusterip", "llama", "--tcp=1")

    here.worker("llama", service={"ports": [{"port": 80}]}, disruptionBudget={})

    message = here.wait_condition("llama", "Degraded", "NameTaken")
    assert message.startswith("Service llama: there is one that is not this worker's; delete it")
    assert here.is_there("pdb", "llama"), "the rest is as asked"
    here.wait_pods("llama-0")
    assert here.get("service", "llama")["spec"]["ports"][0]["port"] == 1
    here.worker("llama")
    soon("nothing is wrong", lambda: here.condition("llama", "Degraded")["status"] == "False")
    assert here.is_there("service", "llama")


def test_all_that_a_deleted_worker_left_behind_is_the_next_ones(api: ApiServer) -> None:
    here = space(api, "orphans")
    spec: Raw = {"replicas": 2, "service": {"ports": [{"port": 80}]}, "disruptionBudget": {}}
    kinds = ("pod/llama-0", "pod/llama-1", "service/llama", "pdb/llama")

    def owners() -> list[tuple[str, str]]:
        """Give the uid of each, and that of its owner."""
        found = [here.get(*kind.split("/"))["metadata"] for kind in kinds]
        return [
            (one["uid"], one["ownerReferences"][0]["uid"] if "ownerReferences" in one else "")
            for one in found
        ]

    def expected() -> int:
        return int(here.get("pdb", "llama").get("status", {}).get("expectedPods", 0))

    with controlling(api, ("garbage-collector-controller", "disruption-controller"), ()):
        here.worker("llama", **spec)
        here.wait_pods("llama-0", "llama-1")
        soon("the rest", lambda: all(here.is_there(*kind.split("/")) for kind in kinds))
        soon("a budget that counts by the scale", lambda: expected() == 2)
        before = owners()

        here.kubectl("delete", "ciw", "llama", "--cascade=orphan")
        assert [owner for _, owner in owners()] == 4 * [""]
        here.worker("llama", **spec)
        uid = here.get("ciw", "llama")["metadata"]["uid"]

        soon("adopted", lambda: [owner for _, owner in owners()] == 4 * [uid])
        assert [one for one, _ in owners()] == [one for one, _ in before]
