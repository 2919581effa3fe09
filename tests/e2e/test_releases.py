"""A release on a real API server without nodes: install, upgrade, rollback, uninstall."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from lab import binaries
from lab.api_server import ApiServer, serving
from lab.choices import chosen
from lab.commands import LabError, run, wait_for
from nodeless import CHART, NAMESPACE, OPERATOR, named, token, topology
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.config import Config, Webhook
from numalocal_operator.trial import tried
from test_verified import operating

CRDS = {"cpuinferenceworkers.numalocal.io", "nodecputopologies.numalocal.io"}
CONDITION = {
    "reason": "Serving",
    "message": "",
    "lastTransitionTime": "2026-01-02T03:04:05Z",
}
WORKER = {
    "apiVersion": "numalocal.io/v1alpha1",
    "kind": "CpuInferenceWorker",
    **named("llama", namespace="default"),
    "spec": {"template": {"spec": {"containers": [{"name": "engine", "image": "engine"}]}}},
}
EVERYTHING = """
commonLabels: {team: serving}
imagePullSecrets: [{name: mirror}]
networkPolicy: {enabled: true}
nodeGroups: {epyc: {nodeSelector: {machine: epyc}, pools: [{name: big, size: 16}]}}
agent:
  affinity: &affinity
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: Exists}]}]
  podAnnotations: &own {note: mine}
  podLabels: *own
  extraEnv: &env [{name: HTTPS_PROXY, value: "http://proxy.example"}]
  serviceAccount: {annotations: *own}
operator:
  namespace: default
  affinity: *affinity
  topologySpreadConstraints:
    - {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}
  podAnnotations: *own
  podLabels: *own
  extraEnv: *env
  serviceAccount: {annotations: *own}
"""


@dataclass(frozen=True, slots=True)
class Helm:
    """Runs helm for one API server, in the namespace of the release."""

    api: ApiServer

    def __call__(self, *arguments: str | Path) -> str:
        program = binaries.found_helm(os.environ) or binaries.helm() / "helm"
        env = {**os.environ, "KUBECONFIG": str(self.api.kubeconfig)}
        return run([program, f"--namespace={NAMESPACE}", *map(str, arguments)], env=env)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with serving(tmp_path_factory.mktemp("releases")) as found:
        found.apply({"apiVersion": "v1", "kind": "Namespace", **named(NAMESPACE)})
        yield found


@pytest.fixture
def helm(server: ApiServer) -> Iterator[Helm]:
    """Give helm; afterwards neither release nor CRDs are left."""
    made = Helm(server)
    yield made
    made("uninstall", "numalocal", "--ignore-not-found")
    server.kubectl("delete", "--ignore-not-found", *(f"crd/{one}" for one in sorted(CRDS)))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Give the chart as it was while its CRDs were in the folder `crds`, and older themselves."""
    chart = tmp_path / "numalocal"
    shutil.copytree(CHART, chart)
    (chart / "definitions").rename(chart / "crds")
    (chart / "templates" / "definitions.yaml").unlink()
    for path in (chart / "crds").iterdir():
        crd = yaml.safe_load(path.read_text())
        del crd["spec"]["versions"][0]["additionalPrinterColumns"]
        path.write_text(yaml.safe_dump(crd))
    return chart


def of_release(api: ApiServer) -> set[tuple[str, str]]:
    """Give kind and name of all that carries the release's label."""
    kinds = api.kubectl("api-resources", "--verbs=list", "--output=name").split()
    label = "--selector=app.kubernetes.io/instance=numalocal"
    listed = api.kubectl_json("get", ",".join(kinds), "--all-namespaces", label)["items"]
    return {(one["kind"], one["metadata"]["name"]) for one in listed}


def columns(api: ApiServer) -> Sequence[Any]:
    crd = api.kubectl_json("get", "crd", "cpuinferenceworkers.numalocal.io")
    shown: Sequence[Any] = crd["spec"]["versions"][0].get("additionalPrinterColumns", ())
    return shown


def uid_of_worker(api: ApiServer) -> str:
    return str(api.kubectl_json("get", "ciw", "llama")["metadata"]["uid"])


def test_nothing_but_the_crds_and_the_workers_outlives_a_release(
    helm: Helm, server: ApiServer
) -> None:
    helm("install", "numalocal", CHART)
    server.kubectl("wait", "--for=condition=Established", "crd/cpuinferenceworkers.numalocal.io")
    server.apply(WORKER)
    uid = uid_of_worker(server)
    assert len(of_release(server)) > 20

    helm("uninstall", "numalocal")

    left = {("CustomResourceDefinition", name) for name in CRDS}
    wait_for("nothing but the CRDs", lambda: of_release(server) == left, timeout_s=60)
    assert uid_of_worker(server) == uid
    helm("install", "numalocal", CHART)
    assert uid_of_worker(server) == uid


def test_where_nothing_is_to_be_kept_nothing_is(helm: Helm, server: ApiServer) -> None:
    helm("install", "numalocal", CHART, "--set=crds.keep=false")

    helm("uninstall", "numalocal")

    # A CRD is there until the API server has ended it, and its kind is listed a moment longer.
    wait_for("nothing", lambda: of_release(server) == set(), timeout_s=60)


def test_a_release_whose_crds_came_from_the_folder_takes_them_over(
    helm: Helm, server: ApiServer, old: Path
) -> None:
    helm("install", "numalocal", old)
    server.kubectl("wait", "--for=condition=Established", "crd/cpuinferenceworkers.numalocal.io")
    server.apply(WORKER)
    uid = uid_of_worker(server)
    assert not columns(server)
    with pytest.raises(LabError, match="cannot be imported into the current release"):
        helm("upgrade", "numalocal", CHART)

    helm("upgrade", "numalocal", CHART, "--take-ownership")

    assert columns(server)
    assert uid_of_worker(server) == uid
    helm("rollback", "numalocal", "1")
    assert uid_of_worker(server) == uid
    helm("upgrade", "numalocal", CHART)
    assert uid_of_worker(server) == uid


def test_an_older_helm_takes_them_over_by_label_and_annotations(
    helm: Helm, server: ApiServer, old: Path
) -> None:
    helm("install", "numalocal", old)
    crds = [f"crd/{one}" for one in sorted(CRDS)]
    server.kubectl("label", *crds, "app.kubernetes.io/managed-by=Helm")
    owner = ("name=numalocal", f"namespace={NAMESPACE}")
    server.kubectl("annotate", *crds, *(f"meta.helm.sh/release-{one}" for one in owner))

    helm("upgrade", "numalocal", CHART)

    assert columns(server)


def test_a_second_release_leaves_the_crds_to_the_first(helm: Helm, server: ApiServer) -> None:
    helm("install", "numalocal", CHART)
    try:
        with pytest.raises(LabError, match="cannot be imported into the current release"):
            helm("install", "west", CHART)
        helm("install", "west", CHART, "--set=crds.enabled=false")
    finally:
        helm("uninstall", "west", "--ignore-not-found")
    assert columns(server)


def test_the_trial_has_the_rights_it_needs_and_finds_a_webhook_that_nobody_serves(
    helm: Helm, server: ApiServer
) -> None:
    helm("install", "numalocal", CHART)
    server.kubectl("wait", "--for=condition=Established", *(f"crd/{one}" for one in sorted(CRDS)))
    account = named("default", namespace="default")
    server.apply({"apiVersion": "v1", "kind": "ServiceAccount", **account}, topology("node-a"))
    status = {
        "counts": {"sets": 4, "free": 4},
        "conditions": [{"type": "Ready", "status": "True", **CONDITION}],
        "pools": [{"name": "cpuset", "sets": 4}],
    }
    patch = ("--subresource=status", "--type=merge", f"--patch={json.dumps({'status': status})}")
    server.kubectl("patch", "nct", "node-a", *patch)
    place = Webhook(namespace=NAMESPACE, service="w", secret="w", configuration="w", managed=False)
    settings = client.Configuration()
    settings.host = f"https://127.0.0.1:{server.port}"
    settings.ssl_ca_cert = str(server.folder / "ca.crt")
    settings.disable_strict_ssl_verification = True
    settings.api_key = {"authorization": f"Bearer {token(server, account=OPERATOR)}"}

    with client.ApiClient(settings) as connection:
        cluster = Cluster(connection)
        findings = tried(cluster.topologies, cluster.try_pod, Config(webhook=place))

    assert [one.well for one in findings] == [True, False]
    assert findings[0].sentence == "node node-a offers 4 CPU sets, 4 are free"
    assert "failed calling webhook" in findings[1].sentence


def test_an_operator_of_one_namespace_serves_that_one_with_its_rights_there(
    helm: Helm, server: ApiServer, tmp_path: Path
) -> None:
    for name in ("serving", "other"):
        account = named("default", namespace=name)
        server.apply(
            {"apiVersion": "v1", "kind": "Namespace", **named(name)},
            {"apiVersion": "v1", "kind": "ServiceAccount", **account},
        )
    helm("install", "numalocal", CHART, "--set=operator.namespace=serving,webhook.enabled=false")
    server.kubectl("wait", "--for=condition=Established", *(f"crd/{one}" for one in sorted(CRDS)))

    with operating(server, tmp_path, NUMALOCAL_NAMESPACE="serving"):
        for name in ("other", "serving"):
            server.apply({**WORKER, **named("llama", namespace=name)})
        wait_for("the pod", lambda: pods(server, "serving") == ["llama-0"], timeout_s=120)

    assert pods(server, "other") == []
    assert "Forbidden" not in (tmp_path / "log").read_text()


def pods(api: ApiServer, namespace: str) -> list[str]:
    found = api.kubectl_json("get", "pods", f"--namespace={namespace}")["items"]
    return [one["metadata"]["name"] for one in found]


def test_the_api_server_takes_all_that_the_values_can_add(
    helm: Helm, server: ApiServer, tmp_path: Path
) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(EVERYTHING)
    helm("install", "numalocal", CHART)

    version = f"--kube-version={chosen(os.environ).release}"
    shown = helm("template", "numalocal", CHART, f"--values={values}", version)

    command = ["apply", "--server-side", "--force-conflicts", "--dry-run=server"]
    server.kubectl(*command, "--validate=strict", "--filename", "-", stdin=shown)
    helm("upgrade", "numalocal", CHART, f"--values={values}")
