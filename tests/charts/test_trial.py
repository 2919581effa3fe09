"""The pod of `helm test`."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import pytest

from numalocal_operator.config import from_environ

from .conftest import Document, Render, by_name

Objects = Mapping[tuple[str, str], Document]
NAME = ("Pod", "numalocal-test")


def env(pod: Mapping[str, Any]) -> Mapping[str, str]:
    return {one["name"]: str(one["value"]) for one in pod["containers"][0]["env"]}


def test_it_runs_the_operators_image_and_nothing_is_left_where_it_succeeds(
    objects: Objects,
) -> None:
    pod, operator = objects[NAME], objects["Deployment", "numalocal-operator"]
    (container,) = pod["spec"]["containers"]

    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert "hook-succeeded" in pod["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
    theirs = operator["spec"]["template"]["spec"]
    assert container["image"] == theirs["containers"][0]["image"]
    assert pod["spec"]["serviceAccountName"] == theirs["serviceAccountName"]
    assert container["command"][:2] == ["python3", "-m"]
    assert find_spec(container["command"][2])


@pytest.mark.parametrize(
    "values", ["", "operator.namespace=serving", "webhook.enabled=false", "fullnameOverride=x"]
)
def test_it_knows_what_the_operator_knows_of_whom_it_serves(render: Render, values: str) -> None:
    made = render(f"--set={values}")
    (pod,) = (one for one in made if one["kind"] == "Pod")
    (operator,) = (one for one in made if one["kind"] == "Deployment")
    tested, told = (
        from_environ(env(one)) for one in (pod["spec"], operator["spec"]["template"]["spec"])
    )

    assert (tested.namespace, tested.webhook) == (told.namespace, told.webhook)


def test_no_workload_and_no_service_takes_its_pod_for_the_operators(objects: Objects) -> None:
    labels = objects[NAME]["metadata"]["labels"]
    selectors = [
        one["spec"]["selector"].get("matchLabels", one["spec"]["selector"])
        for (kind, _), one in objects.items()
        if kind in ("DaemonSet", "Deployment", "Service", "PodDisruptionBudget")
    ]

    assert len(selectors) > 3
    assert not [one for one in selectors if one.items() <= labels.items()]


def test_it_is_as_confined_as_the_operator(render: Render) -> None:
    made = by_name(render())
    operator = made["Deployment", "numalocal-operator"]["spec"]["template"]["spec"]

    pod = made[NAME]["spec"]
    assert pod["securityContext"] == operator["securityContext"]
    assert pod["containers"][0]["securityContext"] == operator["containers"][0]["securityContext"]
