"""NodeCpuTopology on a real API server without nodes: its schema, and who may write which."""

import json
import os
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
import yaml

from captured import unpacked
from lab import binaries
from lab.api_server import ApiServer, serving
from lab.commands import LabError, wait_for
from numalocal.machine.discovery import discover
from numalocal.machine.sysfs import Sysfs
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool
from numalocal_deviceplugin.node.document import About, document, stamped
from numalocal_deviceplugin.node.publisher import Publisher, connecting
from numalocal_deviceplugin.state import State
from numalocal_operator.topologies import told

CHART = Path(__file__).parents[2] / "charts" / "numalocal"
NAMESPACE = "numalocal-system"
AGENT = "numalocal-agent"
NODES = ("node-a", "node-b")
MACHINES = (
    "128arm-2pa2n8cluster4co",
    "20s390-2g6s4c",
    "256ppc-8n8s4t",
    "64intel64-fakeKNL-SNC4-hybrid",
)
SERVER_SIDE = (
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)
"""What of the chart needs no node."""
TOPOLOGIES = "/apis/numalocal.io/v1alpha1/nodecputopologies"
OK, CREATED, CONFLICT, INVALID = 200, 201, 409, 422

Answer = tuple[int, Any]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Serve with the chart's CRDs, accounts, roles and policies, and two nodes."""
    with serving(tmp_path_factory.mktemp("api")) as found:
        found.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        found.kubectl("apply", "--server-side", "--filename", str(CHART / "crds"))
        found.apply(*(one for one in rendered() if one["kind"] in SERVER_SIDE))
        found.apply(*({"apiVersion": "v1", "kind": "Node", **named(node)} for node in NODES))
        crds = [f"crd/{one}.numalocal.io" for one in ("nodecputopologies", "cpuinferenceworkers")]
        found.kubectl("wait", "--for=condition=Established", *crds)
        of_a = agent(found, "node-a")
        # The API server takes a moment to see a policy; until then RBAC alone is asked.
        wait_for(
            "the policy works",
            lambda: of_a.create(topology("none"), query="?dryRun=All")[0] == INVALID,
            timeout_s=60,
        )
        yield found


def rendered() -> list[dict[str, Any]]:
    helm = binaries.found_helm(os.environ) or binaries.helm() / "helm"
    about = [f"--namespace={NAMESPACE}", f"--kube-version={binaries.KUBERNETES}"]
    command = [str(helm), "template", "numalocal", str(CHART), *about]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls as the holder of a token does, reading nothing first."""

    api: ApiServer
    token: str

    def create(self, document: Mapping[str, Any], *, query: str = "") -> Answer:
        return self._call("POST", f"{TOPOLOGIES}{query}", "application/json", document)

    def patch(self, name: str, status: Mapping[str, Any]) -> Answer:
        path = f"{TOPOLOGIES}/{name}/status"
        return self._call("PATCH", path, "application/merge-patch+json", {"status": status})

    def _call(self, method: str, path: str, kind: str, body: Mapping[str, Any]) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        context = ssl.create_default_context(cafile=str(self.api.folder / "ca.crt"))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        connection = HTTPSConnection("127.0.0.1", self.api.port, timeout=20, context=context)
        try:
            connection.request(method, path, json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()


def named(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}}


def topology(name: str) -> dict[str, Any]:
    return {"apiVersion": "numalocal.io/v1alpha1", "kind": "NodeCpuTopology", **named(name)}


def agent(api: ApiServer, node: str) -> Caller:
    """Make a pod of the agent on a node; call with the token that the node's kubelet asks for."""
    name = f"{AGENT}-{node}"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        **named(name, namespace=NAMESPACE),
        "spec": {
            "nodeName": node,
            "serviceAccountName": AGENT,
            "containers": [{"name": "agent", "image": "agent"}],
        },
    }
    api.apply(pod)
    return Caller(api, token(api, "--bound-object-kind=Pod", f"--bound-object-name={name}"))


def token(api: ApiServer, *flags: str) -> str:
    return api.kubectl("create", "token", AGENT, f"--namespace={NAMESPACE}", *flags).strip()


def test_an_agent_writes_the_object_of_its_own_node_and_no_other(api: ApiServer) -> None:
    of_a, of_b = agent(api, "node-a"), agent(api, "node-b")
    assert of_a.create(topology("node-a"))[0] == CREATED
    assert of_b.create(topology("node-b"))[0] == CREATED
    assert of_a.patch("node-a", {"idle": "shared"})[0] == OK

    told = "the agent of node node-a writes the NodeCpuTopology of that name alone, not node-"
    for code, refusal in (
        of_a.patch("node-b", {"idle": "exclusive"}),
        of_a.create(topology("node-c")),
    ):
        assert code == INVALID
        assert told in refusal["message"]
    assert api.kubectl_json("get", "nct", "node-a")["status"] == {"idle": "shared"}
    assert "status" not in api.kubectl_json("get", "nct", "node-b")


def test_a_name_that_the_server_makes_up_is_no_way_around(api: ApiServer) -> None:
    document = {**topology("x"), "metadata": {"generateName": "node-a"}}

    assert agent(api, "node-a").create(document)[0] == INVALID


def test_a_token_that_names_no_node_writes_nothing(api: ApiServer) -> None:
    code, refusal = Caller(api, token(api)).create(topology("node-a"))

    assert code == INVALID
    assert "this token names none" in refusal["message"]


@pytest.mark.parametrize(
    ("verb", "what"),
    [
        ("patch", "nodes"),
        ("get", "nodes"),
        ("list", "pods"),
        ("delete", "nodecputopologies"),
        ("update", "nodecputopologies"),
        ("get", "secrets"),
    ],
)
def test_a_stolen_token_of_an_agent_opens_nothing_else(
    api: ApiServer, verb: str, what: str
) -> None:
    account = f"--as=system:serviceaccount:{NAMESPACE}:{AGENT}"

    with pytest.raises(LabError, match=r"status 1: .*no"):
        api.kubectl("auth", "can-i", verb, what, account, "--all-namespaces")


def test_others_than_agents_are_not_the_policys_business(api: ApiServer) -> None:
    api.kubectl("create", "--filename", "-", stdin=json.dumps(topology("by-hand")))
    api.kubectl("delete", "nct", "by-hand")


def test_the_columns_read_well(api: ApiServer) -> None:
    of_c = agent(api, "node-c")
    assert of_c.create(topology("node-c"))[0] == CREATED
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": "StaticPolicy",
        "message": "two pinners must not fight",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }
    refusals = [{"reason": "StaticPolicy", "message": "two pinners must not fight"}]
    counts = {"sets": 4, "held": 1, "free": 2, "unavailable": 1, "refusals": 1}
    status = {"machine": {"cpus": 16}, "counts": counts, "refusals": refusals}
    assert of_c.patch("node-c", {**status, "conditions": [condition]})[0] == OK

    head, row = api.kubectl("get", "nodecputopologies", "node-c").splitlines()

    columns = "NAME CPUS SETS FREE HELD UNAVAILABLE REFUSALS READY AGE"
    assert head.split() == columns.split()
    assert row.split()[:8] == ["node-c", "16", "4", "2", "1", "1", "StaticPolicy", "False"]


@pytest.mark.parametrize(
    "status",
    [
        {"sets": [{"id": "x", "state": "Lost"}]},
        {"sets": [{"id": "x" * 64, "state": "Free"}]},
        {"refusals": [{"reason": "StaticPolicy", "message": "x"}] * 65},
        {"machine": {"cpus": -1}},
    ],
)
def test_what_is_out_of_bounds_is_refused(api: ApiServer, status: Mapping[str, Any]) -> None:
    of_d = agent(api, "node-d")
    assert of_d.create(topology("node-d"))[0] in (CREATED, CONFLICT)

    code, refusal = of_d.patch("node-d", status)

    assert code == INVALID
    assert "status." in refusal["message"]


def test_the_object_of_a_node_has_the_node_as_its_owner_without_a_read(api: ApiServer) -> None:
    node = api.kubectl_json("get", "node", "node-b")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": "node-b", "uid": node}
    document = {**topology("node-b"), **named("node-b", ownerReferences=[owner])}
    api.kubectl("delete", "nct", "node-b", "--ignore-not-found")

    assert agent(api, "node-b").create(document)[0] == CREATED

    assert api.kubectl_json("get", "nct", "node-b")["metadata"]["ownerReferences"] == [owner]


@pytest.mark.parametrize("capture", MACHINES)
def test_what_an_agent_writes_of_any_machine_is_kept_whole(
    api: ApiServer, tmp_path: Path, capture: str
) -> None:
    node = f"of-{capture}".lower().replace("_", "-")
    api.apply({"apiVersion": "v1", "kind": "Node", **named(node)})
    caller = agent(api, node)
    (tmp_path / "token").write_text(caller.token)
    machine = discover(Sysfs(unpacked(capture))).unconfined()
    state = State(machine, partition(machine, (Pool(name="cpuset", size=1),)))
    status = stamped(
        document(state.snapshot(), About(agent="0.1.0", kernel="6.12.0")),
        None,
        "2026-01-02T03:04:05Z",
    )
    connect = connecting("127.0.0.1", api.port, api.folder / "ca.crt")

    Publisher(connect, tmp_path / "token", node).publish(status)

    found = api.kubectl_json("get", "nct", node)
    assert found["status"] == status
    (owner,) = found["metadata"]["ownerReferences"]
    assert owner["uid"] == api.kubectl_json("get", "node", node)["metadata"]["uid"]
    assert told(found).pools["cpuset"].cpus_per_set == status["pools"][0]["cpusPerSet"]
