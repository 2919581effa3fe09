"""What the values say of the pods of agent and operator."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from numalocal_deviceplugin import config as agent_config
from numalocal_operator.config import from_environ

from .conftest import Document, Render, by_name

Objects = Mapping[tuple[str, str], Document]

KINDS = {"agent": "DaemonSet", "operator": "Deployment"}
PARTS = pytest.mark.parametrize("part", KINDS)


def pod_of(objects: Objects, part: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = objects[KINDS[part], f"numalocal-{part}"]["spec"]["template"]
    return found


def rendered(render: Render, **values: Any) -> Objects:
    return by_name(
        render(*(f"--set-json={name}={json.dumps(one)}" for name, one in values.items()))
    )


@PARTS
def test_a_part_wants_the_nodes_that_its_values_say(render: Render, part: str) -> None:
    affinity: Mapping[str, Any] = {
        "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}
    }

    made = rendered(render, **{part: {"affinity": affinity}})

    assert pod_of(made, part)["spec"]["affinity"] == affinity


def test_the_operator_is_spread_as_the_values_say(render: Render) -> None:
    spread = [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]

    made = rendered(render, operator={"topologySpreadConstraints": spread})

    assert pod_of(made, "operator")["spec"]["topologySpreadConstraints"] == spread


def test_operators_are_on_two_nodes_where_there_are_two(render: Render) -> None:
    pod = pod_of(rendered(render), "operator")
    (spread,) = pod["spec"]["topologySpreadConstraints"]

    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway", "one node is no reason to wait"
    assert spread["matchLabelKeys"] == ["pod-template-hash"], "a rollout counts its own alone"
    assert spread["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


@PARTS
def test_pods_have_the_labels_and_annotations_that_the_values_add(
    render: Render, objects: Objects, part: str
) -> None:
    extra = {"podLabels": {"team": "serving"}, "podAnnotations": {"note": "mine"}}
    usual, made = (pod_of(one, part) for one in (objects, rendered(render, **{part: extra})))

    before, after = usual["metadata"], made["metadata"]
    assert after["labels"] == before["labels"] | {"team": "serving"}
    assert after["annotations"] == before.get("annotations", {}) | {"note": "mine"}


def test_an_annotation_of_the_values_comes_before_ours(render: Render) -> None:
    made = rendered(render, agent={"podAnnotations": {"prometheus.io/scrape": "false"}})

    annotations = pod_of(made, "agent")["metadata"]["annotations"]
    assert annotations["prometheus.io/scrape"] == "false"
    assert annotations["prometheus.io/port"] == "9461"


def test_a_common_label_is_on_every_object_and_pod_but_in_no_selector(render: Render) -> None:
    made = rendered(render, commonLabels={"team": "serving"})

    assert [
        name for name, one in made.items() if one["metadata"]["labels"]["team"] != "serving"
    ] == []
    for part, kind in KINDS.items():
        assert pod_of(made, part)["metadata"]["labels"]["team"] == "serving"
        selector = made[kind, f"numalocal-{part}"]["spec"]["selector"]
        assert "team" not in selector["matchLabels"]


@PARTS
def test_a_pods_own_label_comes_before_the_common_one(render: Render, part: str) -> None:
    made = rendered(render, commonLabels={"team": "all"}, **{part: {"podLabels": {"team": "one"}}})

    assert pod_of(made, part)["metadata"]["labels"]["team"] == "one"
    assert made[KINDS[part], f"numalocal-{part}"]["metadata"]["labels"]["team"] == "all"


@PARTS
def test_variables_are_added_to_those_of_the_program(
    render: Render, objects: Objects, part: str
) -> None:
    extra = [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}]
    usual, made = (
        pod_of(one, part)["spec"]["containers"][0]["env"]
        for one in (objects, rendered(render, **{part: {"extraEnv": extra}}))
    )

    assert made == [*usual, *extra]


@PARTS
def test_a_service_account_has_the_annotations_of_the_values(render: Render, part: str) -> None:
    annotations = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/numalocal"}
    made = rendered(render, **{part: {"serviceAccount": {"annotations": annotations}}})

    found = {
        name: one["metadata"].get("annotations")
        for (kind, name), one in made.items()
        if kind == "ServiceAccount"
    }
    assert found.pop(f"numalocal-{part}") == annotations
    assert set(found.values()) == {None}


@pytest.mark.parametrize("level", ["debug", "warning"])
def test_both_programs_log_what_the_values_say(render: Render, level: str) -> None:
    made = rendered(render, logLevel=level)
    (agent,) = pod_of(made, "agent")["spec"]["containers"]
    (operator,) = pod_of(made, "operator")["spec"]["containers"]
    env = {one["name"]: str(one.get("value")) for one in operator["env"]}

    assert agent_config.parse(agent["args"], {}).log_level == level
    assert from_environ(env).log_level == level


def test_the_operator_serves_the_one_namespace_that_the_values_name(render: Render) -> None:
    made = rendered(render, operator={"namespace": "serving"})
    (operator,) = pod_of(made, "operator")["spec"]["containers"]
    env = {one["name"]: str(one.get("value")) for one in operator["env"]}
    (webhook,) = made["MutatingWebhookConfiguration", "numalocal-webhook"]["webhooks"]

    assert from_environ(env).namespace == "serving"
    assert webhook["namespaceSelector"]["matchExpressions"][1:] == [
        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["serving"]}
    ]


def test_no_pod_has_the_variables_of_services(render: Render) -> None:
    """The kubelet would set NUMALOCAL_WEBHOOK_PORT, and whatever else a Service may be called."""
    pods = [
        one if kind == "Pod" else one["spec"]["template"]
        for (kind, _), one in rendered(render).items()
        if kind in ("Pod", *KINDS.values())
    ]

    assert len(pods) == 3
    assert all(one["spec"]["enableServiceLinks"] is False for one in pods)
