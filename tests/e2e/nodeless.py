"""The chart on an API server without nodes: what of it needs none, and callers with its tokens."""

import json
import os
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import yaml

from lab import binaries
from lab.api_server import ApiServer, serving
from lab.choices import chosen
from lab.commands import wait_for

CHART = Path(__file__).parents[2] / "charts" / "numalocal"
NAMESPACE = "numalocal-system"
AGENT = "numalocal-agent"
OPERATOR = "numalocal-operator"
OK, CREATED, CONFLICT, INVALID = 200, 201, 409, 422

_TOPOLOGIES = "/apis/numalocal.io/v1alpha1/nodecputopologies"
_KINDS = (
    "CustomResourceDefinition",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "Role",
    "RoleBinding",
    "Secret",
    "Lease",
)
_LEFT = {"holderIdentity": "", "leaseDurationSeconds": 1}
"""The Lease as an operator leaves it: the next one leads at once."""

Answer = tuple[int, Any]


@contextmanager
def installed(folder: Path, flags: Sequence[str] = ()) -> Iterator[ApiServer]:
    """Serve with the chart's CRDs, accounts, roles and policies; `flags` as `serving` takes it."""
    with serving(folder, flags) as api:
        api.apply({"apiVersion": "v1", "kind": "Namespace", **named(NAMESPACE)})
        api.apply(*(one for one in rendered() if one["kind"] in _KINDS))
        about = ("lease", OPERATOR, f"--namespace={NAMESPACE}")
        api.kubectl("patch", *about, f"--patch={json.dumps({'spec': _LEFT})}")
        crds = [f"crd/{one}.numalocal.io" for one in ("nodecputopologies", "cpuinferenceworkers")]
        api.kubectl("wait", "--for=condition=Established", *crds)
        node(api, "node-0")
        someone = agent(api, "node-0")
        # The API server takes a moment to see a policy; until then RBAC alone is asked.
        wait_for(
            "the policy works",
            lambda: someone.create(topology("none"), query="?dryRun=All")[0] == INVALID,
            timeout_s=120,
        )
        yield api


def rendered() -> list[dict[str, Any]]:
    """Render the chart with its default values."""
    helm = binaries.found_helm(os.environ) or binaries.helm() / "helm"
    about = [f"--namespace={NAMESPACE}", f"--kube-version={chosen(os.environ).release}"]
    command = [str(helm), "template", "numalocal", str(CHART), *about]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls as the holder of a token does, reading nothing first."""

    api: ApiServer
    token: str

    def create(self, document: Mapping[str, Any], *, query: str = "") -> Answer:
        return self._call("POST", f"{_TOPOLOGIES}{query}", "application/json", document)

    def patch(self, name: str, status: Mapping[str, Any]) -> Answer:
        path = f"{_TOPOLOGIES}/{name}/status"
        return self._call("PATCH", path, "application/merge-patch+json", {"status": status})

    def _call(self, method: str, path: str, kind: str, body: Mapping[str, Any]) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        context = ssl.create_default_context(cafile=str(self.api.folder / "ca.crt"))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        connection = HTTPSConnection("127.0.0.1", self.api.port, timeout=60, context=context)
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


def node(api: ApiServer, name: str) -> None:
    api.apply({"apiVersion": "v1", "kind": "Node", **named(name)})


def offering(api: ApiServer, name: str, pool: str, *, cpus: int, gib: int, sets: int = 2) -> Caller:
    """Let a node be ready, and its agent tell of sets of so many CPUs and GiB each."""
    node(api, name)
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    api.kubectl("patch", "node", name, "--subresource=status", f"--patch={json.dumps(ready)}")
    # A new node has a taint until a controller finds it ready.
    api.kubectl("patch", "node", name, "--type=merge", '--patch={"spec":{"taints":null}}')
    caller = agent(api, name)
    caller.create(topology(name))
    one = {"pool": pool, "cpus": f"0-{cpus - 1}", "memoryBytes": gib << 30, "state": "Free"}
    told = {"name": pool, "sets": sets, "cpusPerSet": cpus, "free": sets}
    caller.patch(name, {"pools": [told], "sets": [{**one, "id": f"n{at}"} for at in range(sets)]})
    return caller


def agent(api: ApiServer, on: str) -> Caller:
    """Make a pod of the agent on a node; call with the token that the node's kubelet asks for."""
    name = f"{AGENT}-{on}"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        **named(name, namespace=NAMESPACE),
        "spec": {
            "nodeName": on,
            "serviceAccountName": AGENT,
            "containers": [{"name": "agent", "image": "agent"}],
        },
    }
    api.apply(pod)
    return Caller(api, token(api, "--bound-object-kind=Pod", f"--bound-object-name={name}"))


def token(api: ApiServer, *flags: str, account: str = AGENT) -> str:
    return api.kubectl("create", "token", account, f"--namespace={NAMESPACE}", *flags).strip()
