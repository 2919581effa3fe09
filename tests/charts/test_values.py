import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import pytest
import yaml

from numalocal.log import LEVELS
from numalocal.sets.poolfile import FIELDS, MAX_POOLS

from .conftest import CHART, Helm

Schema = Mapping[str, Any]
SCHEMA: Schema = json.loads((CHART / "values.schema.json").read_text())
VALUES: Mapping[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SECTIONS = (
    "nothing",
    "crds.nothing",
    "images.nothing",
    "images.agent.nothing",
    "images.operator.nothing",
    "images.binder.nothing",
    "pools[0].nothing",
    "agent.nothing",
    "agent.affinity.nothing",
    "agent.extraEnv[0].nothing",
    "agent.serviceAccount.nothing",
    "agent.resources.nothing",
    "agent.tolerations[0].nothing",
    "nodeGroups.one.nothing",
    "nodeGroups.one.tolerations[0].nothing",
    "nodeGroups.one.pools[0].nothing",
    "webhook.nothing",
    "metrics.podMonitor.nothing",
    "networkPolicy.nothing",
    "operator.nothing",
    "operator.affinity.nothing",
    "operator.extraEnv[0].nothing",
    "operator.topologySpreadConstraints[0].nothing",
    "operator.serviceAccount.nothing",
    "operator.resources.nothing",
    "operator.tolerations[0].nothing",
)


def refusal(helm: Helm, *values: str) -> str:
    made = helm("template", "numalocal", CHART, *(f"--set={value}" for value in values))
    assert made.returncode != 0, f"{values} was accepted"
    return made.stderr


@pytest.mark.parametrize("path", SECTIONS)
def test_an_unknown_value_is_refused_by_its_name(helm: Helm, path: str) -> None:
    assert "'nothing' not allowed" in refusal(helm, f"{path}=1")


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("pools[0].size=node", "/pools/0/size"),
        ("pools[0].nodes=first", "/pools/0/nodes"),
        ("pools[0].coreKind=fast", "/pools/0/coreKind"),
        ("pools[0].threadsPerCore=9", "/pools/0/threadsPerCore"),
        ("pools[0].placement=Near", "/pools/0/placement"),
        ("pools[0].size=0", "/pools/0/size"),
        ("pools[0].size=1.5", "/pools/0/size"),
        ("pools[0].name=Big", "/pools/0/name"),
        ("pools[0].name=" + 41 * "a", "/pools/0/name"),
        ("pools[0].reserve=0", "/pools/0/reserve"),
        ("pools[0].memory=lots", "/pools/0/memory"),
        ("pools[0].memory=64GiB", "/pools/0/memory"),
        ("pools[0].memory=-1", "/pools/0/memory"),
        ("pools[0].memory=1024", "/pools/0/memory"),
        ("pools[64].name=a", "/pools"),
        ("pools=null", "pools"),
        ("pools={}", "/pools"),
        ("images.agent.pullPolicy=Sometimes", "/images/agent/pullPolicy"),
        ("images.agent.repository=", "/images/agent/repository"),
        ("images.agent.tag=1", "/images/agent/tag"),
        ("images.agent.tag=a b", "/images/agent/tag"),
        ("images.agent.digest=sha256:abc", "/images/agent/digest"),
        ("images.agent.repository=mirror.example/agent:1", "/images/agent/repository"),
        (f"images.agent.repository=agent@sha256:{64 * 'a'}", "/images/agent/repository"),
        ("images.registry=https://mirror.example", "/images/registry"),
        ("images.registry=mirror.example/", "/images/registry"),
        ("imagePullSecrets[0]=mirror", "/imagePullSecrets/0"),
        ("imagePullSecrets[0].secret=mirror", "/imagePullSecrets/0"),
        ("imagePullSecrets[0].name=My Mirror", "/imagePullSecrets/0/name"),
        ("nameOverride=Big", "/nameOverride"),
        ("fullnameOverride=" + 54 * "a", "/fullnameOverride"),
        ("fullnameOverride=1numa", "/fullnameOverride"),
        ("commonLabels.a b=c", "'a b'"),
        ("commonLabels.team=a b", "/commonLabels/team"),
        ("agent.nodeSelector.zone=a b", "/agent/nodeSelector/zone"),
        ("agent.resources.limits.memory=lots", "/agent/resources/limits/memory"),
        ("logLevel=loud", "/logLevel"),
        ("metrics.podMonitor.interval=often", "/metrics/podMonitor/interval"),
        ("networkPolicy.apiServerPorts={}", "/networkPolicy/apiServerPorts"),
        ("networkPolicy.apiServerPorts={0}", "/networkPolicy/apiServerPorts/0"),
        ("operator.namespace=A", "/operator/namespace"),
        (
            "operator.topologySpreadConstraints[0].maxSkew=1",
            "/operator/topologySpreadConstraints/0",
        ),
        ("agent.extraEnv[0].value=x", "/agent/extraEnv/0"),
        ("agent.extraEnv[0].name=NODE_NAME", "/agent/extraEnv/0/name"),
        ("operator.extraEnv[0].name=NUMALOCAL_NAMESPACE", "/operator/extraEnv/0/name"),
        ("agent.podAnnotations.one=1", "/agent/podAnnotations/one"),
        ("agent.serviceAccount.annotations.one=1", "/agent/serviceAccount/annotations/one"),
        (
            "agent.podLabels.app\\.kubernetes\\.io/component=x",
            "/agent/podLabels/app.kubernetes.io~1component",
        ),
        ("commonLabels.helm\\.sh/chart=x", "/commonLabels/helm.sh~1chart"),
        ("crds.enabled=maybe", "/crds/enabled"),
        ("crds.keep=null", "keep"),
        ("agent.tolerations[0].effect=Never", "/agent/tolerations/0/effect"),
        ("agent.idle=lent", "/agent/idle"),
        ("agent.enforcement=besteffort", "/agent/enforcement"),
        ("agent.idle=null", "idle"),
        ("agent.leaveAlone=kube-system", "/agent/leaveAlone"),
        ("agent.leaveAlone[0]=Kube", "/agent/leaveAlone/0"),
        ("agent.leaveAlone[0]=a/b", "/agent/leaveAlone/0"),
        ("agent.leaveAlone={a,a}", "/agent/leaveAlone"),
        ("agent.nriIndex=10", "/agent/nriIndex"),
        ("agent.nriIndex=x0", "/agent/nriIndex"),
        ("agent.nriIndex=first", "/agent/nriIndex"),
        ("agent.httpPort=0", "/agent/httpPort"),
        ("agent.httpPort=65536", "/agent/httpPort"),
        ("agent.httpPort=http", "/agent/httpPort"),
        ("agent.maxUnavailable=0", "/agent/maxUnavailable"),
        ("agent.maxUnavailable=0%", "/agent/maxUnavailable"),
        ("agent.maxUnavailable=101%", "/agent/maxUnavailable"),
        ("nodeGroups=null", "nodeGroups"),
        ("nodeGroups[0].nodeSelector.kind=a", "/nodeGroups"),
        ("nodeGroups.Epyc.nodeSelector.kind=a", "Epyc"),
        ("nodeGroups.epyc.idle=shared", "nodeSelector"),
        ("nodeGroups.epyc.nodeSelector=null", "nodeSelector"),
        ("nodeGroups.epyc.idle=lent", "/nodeGroups/epyc/idle"),
        ("nodeGroups.epyc.enforcement=None", "/nodeGroups/epyc/enforcement"),
        ("nodeGroups.epyc.pools[0].size=4", "/nodeGroups/epyc/pools/0"),
        ("operator.nodeSelector.zone=1", "/operator/nodeSelector/zone"),
        ("operator.resources.limits.memory=true", "/operator/resources/limits/memory"),
    ],
)
def test_an_impossible_value_is_refused_by_its_place(helm: Helm, value: str, place: str) -> None:
    # A list from the command line replaces the whole list of values.yaml.
    named = ["pools[0].name=cpuset"] if value.startswith("pools[0]") else []

    assert place in refusal(helm, *named, value)


@pytest.mark.parametrize(
    "value",
    [
        "size=numa",
        "size=l3",
        "size=56",
        "nodes=0-3\\,8",
        "nodes=1",
        "nodes={0,2}",
        "coreKind=efficiency",
        "threadsPerCore=2",
        "memory=64Gi",
        "memory=1.5G",
        "memory=68719476736",
        "memory=6e10",
        "placement=Pack",
    ],
)
def test_what_the_agent_reads_of_a_pool_is_taken(helm: Helm, value: str) -> None:
    made = helm(
        "template", "numalocal", CHART, "--set=pools[0].name=cpuset", f"--set=pools[0].{value}"
    )

    assert made.returncode == 0, made.stderr


def test_two_pools_of_one_name_are_refused(helm: Helm) -> None:
    twice = "pools: pool a is there twice"

    assert twice in refusal(helm, "pools[0].name=a", "pools[1].name=b", "pools[2].name=a")


def test_chart_and_agent_know_the_same_number_of_pools() -> None:
    assert SCHEMA["definitions"]["pools"]["maxItems"] == MAX_POOLS


def test_chart_and_agent_know_the_same_fields_of_a_pool() -> None:
    assert tuple(SCHEMA["definitions"]["pools"]["items"]["properties"]) == FIELDS


def test_chart_and_programs_know_the_same_levels_of_the_log() -> None:
    assert tuple(SCHEMA["properties"]["logLevel"]["enum"]) == LEVELS


def described(schema: Schema, values: Any, path: str = "") -> Iterator[tuple[str, Schema, Any]]:
    """Give each object of fixed names: its path, its schema and its values."""
    while "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
    if isinstance(values, dict) and "properties" in schema:
        yield path, schema, values
        for name, value in values.items():
            yield from described(schema["properties"][name], value, f"{path}.{name}".lstrip("."))


def test_every_value_that_is_taken_has_a_default_and_is_explained_there() -> None:
    """But for what is inside an affinity, which is Kubernetes' own."""
    for path, schema, values in described(SCHEMA, VALUES):
        if path.rpartition(".")[2] != "affinity":
            assert schema["properties"].keys() - {"global"} == values.keys(), path


OPTIONAL = [
    f"{path}.{name}".lstrip(".")
    for path, schema, values in described(SCHEMA, VALUES)
    for name in values
    if name not in schema.get("required", ())
]


@pytest.mark.parametrize("value", OPTIONAL)
def test_a_value_that_is_taken_away_is_left_out_of_the_objects(helm: Helm, value: str) -> None:
    made = helm("template", "numalocal", CHART, f"--set={value}=null")

    assert made.returncode == 0, made.stderr
    containers = [
        container
        for one in yaml.safe_load_all(made.stdout)
        if one and one["kind"] in ("DaemonSet", "Deployment")
        for container in one["spec"]["template"]["spec"]["containers"]
    ]
    assert len(containers) == 2
    said = [one.get("value", "") for container in containers for one in container["env"]]
    assert None not in said


def test_every_value_is_explained() -> None:
    alike = {"repository", "tag", "digest", "pullPolicy", "requests", "limits", "cpu", "memory"}
    lines = (CHART / "values.yaml").read_text().splitlines()
    unexplained = [
        line
        for before, line in pairwise(lines)
        if line.strip().endswith(":") or ": " in line.partition("#")[0]
        if "#" not in before and line.strip().partition(":")[0] not in alike
        if "kubernetes.io/" not in line and not line.lstrip().startswith("- ")
    ]

    assert unexplained == []
