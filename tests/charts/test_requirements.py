"""What API server, agent or kubelet would refuse of the values: refused where they are rendered."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from numalocal.errors import SpecInvalid
from numalocal.sets.poolfile import parse_pools

from .conftest import CHART, Helm, Render, by_name

EXISTS = {"operator": "Exists"}
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
SELECTED = {"matchExpressions": [{"key": "a/b", "operator": "In", "values": ["x"]}]}
SECRET = {"secretKeyRef": {"name": "a", "key": "b"}}
NODE_NAME = {"fieldRef": {"fieldPath": "spec.nodeName"}}


def set_to(path: str, value: Any) -> str:
    return f"--set-json={path}={json.dumps(value)}"


def refusal(helm: Helm, path: str, value: Any) -> str:
    made = helm("template", "numalocal", CHART, set_to(path, value))
    assert made.returncode != 0, f"{path}={value} was accepted"
    return made.stderr


@pytest.mark.parametrize(
    ("pool", "place"),
    [
        ({"nodes": "3-1"}, "pools[0].nodes: range 3-1 runs backwards; write 1-3"),
        ({"nodes": "0,08-7"}, "pools[0].nodes: range 08-7 runs backwards; write 7-08"),
        ({"nodes": "0-8192"}, "pools[0].nodes: no machine has a NUMA node 8192; the highest is"),
        ({"nodes": "0-99999"}, "/pools/0/nodes"),
        ({"nodes": 8192}, "/pools/0/nodes"),
        ({"nodes": [0, 8192]}, "/pools/0/nodes/1"),
        ({"memory": "64"}, "pools[0].memory: 64 is no amount that a CPU set has; write one such"),
        ({"memory": "1Ki"}, "pools[0].memory: 1Ki is no amount that a CPU set has"),
        ({"memory": "500m"}, "pools[0].memory: 500m is no amount"),
        ({"memory": "10E"}, "pools[0].memory: 10E is no amount"),
        ({"memory": "1e19"}, "pools[0].memory: 1e19 is no amount"),
        ({"memory": "1e100"}, "/pools/0/memory"),
        ({"memory": 1e20}, "pools[0].memory: 1e+20 is no amount"),
        ({"memory": 1 << 19}, "/pools/0/memory"),
    ],
    ids=str,
)
def test_a_pool_that_every_agent_refuses_is_refused(
    helm: Helm, pool: dict[str, Any], place: str
) -> None:
    pools = [{"name": "a", **pool}]

    with pytest.raises(SpecInvalid):
        parse_pools(pools)
    assert place in refusal(helm, "pools", pools)
    group = refusal(helm, "nodeGroups.one", {"nodeSelector": {"a": "b"}, "pools": pools})
    assert place.replace("pools", "nodeGroups.one.pools") in group or (
        place.replace("/pools", "/nodeGroups/one/pools") in group
    )


@pytest.mark.parametrize(
    "pool",
    [
        {"nodes": "1-1"},
        {"nodes": "007,08-9"},
        {"nodes": "8191"},
        {"memory": "1Mi"},
        {"memory": "1024Ki"},
        {"memory": "1048576000m"},
        {"memory": "7.99E"},
        {"memory": "+.5G"},
        {"memory": "5.e9"},
    ],
    ids=str,
)
def test_a_pool_of_unusual_but_right_words_is_taken(helm: Helm, pool: dict[str, Any]) -> None:
    pools = [{"name": "a", **pool}]

    assert parse_pools(pools)
    made = helm("template", "numalocal", CHART, set_to("pools", pools))
    assert made.returncode == 0, made.stderr


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("resources", {"requests": {"memory": "257Mi"}}, "resources.requests.memory: 257Mi is abo"),
        ("resources", {"limits": {"cpu": 0}}, "resources.requests.cpu: 100m is above the limit, 0"),
        ("resources", {"limits": {"cpu": "99999u"}}, "100m is above the limit, 99999u; request"),
        ("resources", {"requests": {"a/b": 1}}, "resources.requests.a/b: must have a limit of the"),
        (
            "resources",
            {"requests": {"a/b": 1}, "limits": {"a/b": 2}},
            "resources.requests.a/b: 1 is below the limit, 2; both must be the same",
        ),
        ("resources", {"requests": {"hugepages-2Mi": "2Mi"}}, "requests.hugepages-2Mi: must have"),
        ("resources", {"requests": {"gpu": 1}}, "'gpu' not allowed"),
        ("resources", {"requests": {"a/b": 1.5}}, "resources/requests/a~1b"),
        ("extraEnv", 2 * [{"name": "A", "value": "b"}], "extraEnv: variable A is there twice"),
        ("extraEnv", [{"name": "A=B", "value": "c"}], "extraEnv/0/name"),
        ("extraEnv", [{"name": "é", "value": "c"}], "extraEnv/0/name"),
        ("extraEnv", [{"name": "A", "value": "b", "valueFrom": SECRET}], "extraEnv/0/value"),
        ("extraEnv", [{"name": "A", "valueFrom": {}}], "extraEnv/0/valueFrom"),
        ("extraEnv", [{"name": "A", "valueFrom": SECRET | NODE_NAME}], "extraEnv/0/valueFrom"),
        ("extraEnv", [{"name": "A", "valueFrom": {"secret": {}}}], "extraEnv/0/valueFrom"),
        (
            "extraEnv",
            [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodename"}}}],
            "extraEnv/0/valueFrom/fieldRef/fieldPath",
        ),
        (
            "extraEnv",
            [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a"}}}],
            "extraEnv/0/valueFrom/secretKeyRef",
        ),
        ("tolerations", [{}], "tolerations/0"),
        ("tolerations", [{"operator": "Equal"}], "tolerations/0"),
        ("tolerations", [{"key": "", "value": "a"}], "tolerations/0/key"),
        ("tolerations", [{"key": "a b", **EXISTS}], "tolerations/0/key"),
        ("tolerations", [{"key": "a", "value": "b", **EXISTS}], "tolerations/0/value"),
        ("tolerations", [{"key": "a", "value": "b c"}], "tolerations/0/value"),
        ("tolerations", [{"key": "a", "operator": "Gt", "value": "b"}], "tolerations/0/value"),
        ("tolerations", [{**EXISTS, "tolerationSeconds": 5}], "tolerations/0"),
        (
            "tolerations",
            [{**EXISTS, "effect": "NoSchedule", "tolerationSeconds": 5}],
            "tolerations/0/effect",
        ),
        ("podAnnotations", {"a b": "c"}, "podAnnotations': additional properties 'a b'"),
        ("podAnnotations", {"a..b/c": "d"}, "podAnnotations': additional properties 'a..b/c'"),
        ("podAnnotations", {"numalocal.io/cpusets": "1"}, "podAnnotations/numalocal.io~1cpusets"),
        ("podLabels", {"a..b/c": "d"}, "podLabels': additional properties 'a..b/c'"),
        ("podLabels", {"numalocal.io/injected": "true"}, "podLabels/numalocal.io~1injected"),
        ("serviceAccount.annotations", {"a b": "c"}, "serviceAccount/annotations"),
        ("nodeSelector", {"a..b/c": "d"}, "nodeSelector': additional properties 'a..b/c'"),
        ("affinity", {"nodeAffinity": {"required": {}}}, "affinity/nodeAffinity"),
        (
            "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution",
            {"nodeSelectorTerms": []},
            "requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms",
        ),
        (
            "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution",
            [{"weight": 101, "preference": SELECTED}],
            "preferredDuringSchedulingIgnoredDuringExecution/0/weight",
        ),
        (
            "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution",
            [{"labelSelector": {}}],
            "affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/0",
        ),
    ],
    ids=str,
)
def test_what_a_pod_of_the_agent_cannot_have_is_refused(
    helm: Helm, path: str, value: Any, place: str
) -> None:
    assert place in refusal(helm, f"agent.{path}", value)


def test_agent_and_operator_may_have_the_same(helm: Helm) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]
    agent, operator = (schema[part]["properties"] for part in ("agent", "operator"))
    for one in {*agent} & {*operator}:
        assert agent[one] == operator[one], one

    twice = 2 * [{"name": "A", "value": "b"}]
    assert "operator.extraEnv: variable A" in refusal(helm, "operator.extraEnv", twice)
    more = refusal(helm, "operator.resources.requests.memory", "1Gi")
    assert "operator.resources.requests.memory: 1Gi is above the limit, 512Mi" in more


@pytest.mark.parametrize(
    ("expression", "place"),
    [
        ({"operator": "In"}, "values"),
        ({"operator": "In", "values": []}, "values"),
        ({"operator": "NotIn", "values": ["a b"]}, "values/0"),
        ({"operator": "Exists", "values": ["a"]}, "values"),
        ({"operator": "Gt", "values": ["a"]}, "values/0"),
        ({"operator": "Lt", "values": ["1", "2"]}, "values"),
        ({"operator": "Near"}, "operator"),
    ],
    ids=str,
)
def test_an_expression_of_an_affinity_is_refused_as_the_api_server_does(
    helm: Helm, expression: dict[str, Any], place: str
) -> None:
    terms = [{"matchExpressions": [{"key": "a", **expression}]}]
    path = "agent.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"

    said = refusal(helm, f"{path}.nodeSelectorTerms", terms)

    assert "nodeSelectorTerms/0/matchExpressions/0" in said
    assert place in said


@pytest.mark.parametrize(
    ("constraints", "place"),
    [
        (2 * [SPREAD], "ScheduleAnyway of zone is there twice"),
        ([{**SPREAD, "topologyKey": "a b"}], "/0/topologyKey"),
        ([{**SPREAD, "minDomains": 2}], "/0/whenUnsatisfiable"),
        ([{**SPREAD, "matchLabelKeys": ["a"]}], "'labelSelector' required"),
        ([{**SPREAD, "labelSelector": {"app": "a"}}], "/0/labelSelector"),
        ([{**SPREAD, "maxSkew": 1 << 31}], "/0/maxSkew"),
    ],
    ids=str,
)
def test_what_cannot_spread_the_operator_is_refused(
    helm: Helm, constraints: list[Any], place: str
) -> None:
    assert place in refusal(helm, "operator.topologySpreadConstraints", constraints)


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("agent.httpPort", 80, "/agent/httpPort"),
        ("agent.maxUnavailable", 1 << 31, "/agent/maxUnavailable"),
        ("agent.priorityClassName", "a b", "/agent/priorityClassName"),
        ("imagePullSecrets", [{"name": "a..b"}], "/imagePullSecrets/0/name"),
        ("images.registry", "-mirror", "/images/registry"),
        ("images.registry", "a..b/c", "/images/registry"),
        ("images.agent.repository", "a//b", "/images/agent/repository"),
        ("images.agent.repository", "a-._b", "/images/agent/repository"),
        ("commonLabels", {"a..b/c": "d"}, "'/commonLabels': additional properties 'a..b/c'"),
        ("commonLabels", {"numalocal.io/worker": "a"}, "/commonLabels/numalocal.io~1worker"),
        ("nodeGroups", {"A": {"nodeSelector": {"a": "b"}}}, "'/nodeGroups': additional"),
        ("metrics.podMonitor.interval", "0s", "/metrics/podMonitor/interval"),
        ("metrics.podMonitor.interval", "0h0m", "/metrics/podMonitor/interval"),
        ("metrics.podMonitor.interval", "30s1m", "/metrics/podMonitor/interval"),
        ("metrics.podMonitor.interval", "", "/metrics/podMonitor/interval"),
    ],
    ids=str,
)
def test_what_would_be_refused_later_is_refused_at_once(
    helm: Helm, path: str, value: Any, place: str
) -> None:
    assert place in refusal(helm, path, value)


def test_a_webhook_that_no_pod_would_ever_meet_is_refused(helm: Helm) -> None:
    own = ("template", "numalocal", CHART, "--namespace=a", "--set=operator.namespace=a")

    assert "operator.namespace: pods of the release's own namespace, a, never meet" in (
        helm(*own).stderr
    )
    assert helm(*own, "--set=webhook.enabled=false").returncode == 0


def texts(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Give what stands where Kubernetes takes texts alone."""
    if isinstance(value, list):
        for one in value:
            yield from texts(one, path)
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("labels", "annotations", "matchLabels", "nodeSelector"):
                yield from ((f"{path}.{name}.{key}", text) for key, text in (inner or {}).items())
            elif name in ("name", "namespace", "value", "image", "args", "priorityClassName"):
                listed = inner if isinstance(inner, list) else [inner]
                yield from ((f"{path}.{name}", text) for text in listed)
            else:
                yield from texts(inner, f"{path}.{name}")


@pytest.mark.parametrize("word", ["123", "true", "null", "no", "1e3", "0x10", "1-1"])
def test_a_name_that_yaml_has_another_meaning_for_stays_a_text(render: Render, word: str) -> None:
    values = {
        "nodeGroups": {word: {"nodeSelector": {"kind": word}, "pools": [{"name": word}]}},
        "agent.priorityClassName": word,
        "agent.leaveAlone": [word],
        "operator.namespace": word,
        "operator.podLabels": {"team": word},
        "images.agent.tag": word,
        "images.binder": {"repository": "a", "tag": word},
        "nameOverride": word if word.isalpha() else "",
        "fullnameOverride": word if word.isalpha() else "",
        "imagePullSecrets": [{"name": word}],
    }
    made = render(*(set_to(path, value) for path, value in values.items()))

    crds = "CustomResourceDefinition"
    for one in (one for one in made if one["kind"] != crds):
        for path, text in texts(one):
            assert isinstance(text, str), f"{one['kind']}{path}: {text!r}"
    pools = [one for one in made if one["kind"] == "ConfigMap"]
    assert [one["metadata"]["labels"]["numalocal.io/node-group"] for one in pools] == [word]


def test_what_kubernetes_takes_of_a_pod_is_taken(render: Render) -> None:
    selector = {"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "a", **EXISTS}]}
    near = {"topologyKey": "zone", "labelSelector": selector, "matchLabelKeys": ["a"]}
    affinity = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    SELECTED,
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]},
                    {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["-5"]}]},
                    {},
                ]
            }
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 100, "podAffinityTerm": near}
            ]
        },
    }
    tolerations = [
        EXISTS,
        {"key": "a", "effect": "NoExecute", "tolerationSeconds": 5},
        {"key": "a/b", "operator": "Lt", "value": "10"},
    ]
    variables = [
        {"name": "A", "value": "", "valueFrom": SECRET},
        {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a/b']"}}},
        {"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
        {"name": "D"},
        {"name": "E", "value": "same"},
        {"name": "F", "value": "same"},
    ]
    amounts = {"cpu": 1.5, "memory": 1 << 28, "a/b": 1, "hugepages-2Mi": "2Mi"}
    resources = {"requests": amounts, "limits": {**amounts, "cpu": "1500m", "memory": "0.25Gi"}}
    spread = [{**SPREAD, "whenUnsatisfiable": "DoNotSchedule", "minDomains": 2}, SPREAD]
    pod = {
        "affinity": affinity,
        "tolerations": tolerations,
        "extraEnv": variables,
        "resources": resources,
    }
    given = {f"{part}.{name}": one for part in ("agent", "operator") for name, one in pod.items()}
    given["operator.topologySpreadConstraints"] = spread

    made = by_name(render(*(set_to(path, value) for path, value in given.items())))

    agent = made["DaemonSet", "numalocal-agent"]["spec"]["template"]["spec"]
    assert agent["affinity"] == affinity
    assert agent["tolerations"] == tolerations
    assert agent["containers"][0]["env"][-6:] == variables


def test_labels_of_an_object_come_before_those_of_all(helm: Helm) -> None:
    labels = {"team": "mine", "grafana_dashboard": None, "folder": "numa"}
    made = helm(
        "template",
        "numalocal",
        CHART,
        "--show-only=templates/monitoring.yaml",
        set_to("commonLabels", {"team": "all", "zone": "a"}),
        set_to("metrics.dashboard", {"enabled": True, "labels": labels}),
    )

    assert made.returncode == 0, made.stderr
    assert [one.strip() for one in made.stdout.splitlines() if "team:" in one] == ["team: mine"]
    assert "zone: a" in made.stdout
    assert "folder: numa" in made.stdout
