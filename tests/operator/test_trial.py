"""What `helm test` finds."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import jsonpatch
import pytest
from kubernetes.client.exceptions import ApiException

from numalocal.worker.inject import CheckImage, PoolNumbers
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.config import Config, Webhook
from numalocal_operator.planning.offered import Offered
from numalocal_operator.trial import tried
from numalocal_operator.webhook.review import answer

from .fake_api import FakeApi

Raw = Mapping[str, Any]

WEBHOOK = Webhook(
    namespace="numalocal-system", service="w", secret="w", configuration="w", managed=False
)
WITH, WITHOUT = Config(webhook=WEBHOOK), Config()


def node(name: str, *, sets: int = 0, ready: str = "False", **status: Any) -> Raw:
    conditions = [{"type": "Ready", "status": ready}]
    counts = {"sets": sets, "free": sets}
    told = {
        "counts": counts,
        "conditions": conditions,
        "pools": [{"name": "big", "sets": sets}],
        **status,
    }
    return {"metadata": {"name": name}, "status": told}


SERVING = node("a", sets=4, ready="True")
REFUSED = node("b", refusals=[{"reason": "CgroupV1", "message": "cgroup version 1"}])


def injected(pod: Raw) -> Raw:
    """Give what the real webhook makes of a pod."""
    review = {"request": {"uid": "u", "object": pod}}
    image = CheckImage(image="binder", pull_policy="IfNotPresent")
    offered = Offered({"big": PoolNumbers(cpus_per_set=4)})
    response = answer(review, lambda _: offered, image)["response"]
    assert response["allowed"], response
    made: Raw = jsonpatch.apply_patch(pod, json.loads(base64.b64decode(response["patch"])))
    return made


def refused(_: Raw) -> Raw:
    raise ApiException(status=500, reason="failed calling webhook")


def found(*nodes: Raw, create: Any = injected, config: Config = WITH) -> tuple[bool, str]:
    findings = tried(lambda: iter(nodes), create, config)
    return all(one.well for one in findings), "\n".join(one.sentence for one in findings)


def test_all_is_well_where_a_node_offers_sets_and_the_webhook_answers() -> None:
    well, said = found(SERVING)

    assert well
    assert said.splitlines() == [
        "node a offers 4 CPU sets, 4 are free",
        "a pod in default that asks for CPU sets is given them by the webhook",
    ]


def test_one_node_that_offers_none_is_told_and_is_no_failure() -> None:
    well, said = found(SERVING, REFUSED)

    assert well
    assert "node b offers no CPU sets: CgroupV1: cgroup version 1" in said


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ([], "no node has told of its CPU sets"),
        ([REFUSED], "node b offers no CPU sets: CgroupV1"),
        ([{"metadata": {"name": "c"}}], "node c offers no CPU sets: it has told nothing yet"),
        ([node("d", sets=4)], "node d offers no CPU sets"),
    ],
)
def test_where_no_node_offers_any_it_fails_and_says_why(nodes: list[Raw], sentence: str) -> None:
    well, said = found(*nodes)

    assert not well
    assert sentence in said


def test_a_webhook_that_is_not_reached_is_a_failure() -> None:
    well, said = found(SERVING, create=refused)

    assert not well
    assert "is refused: 500 failed calling webhook" in said


def test_a_pod_that_passes_the_webhook_by_is_a_failure() -> None:
    well, said = found(SERVING, create=lambda pod: pod)

    assert not well
    assert "never met the webhook" in said


@pytest.mark.parametrize(
    ("served", "release", "expected"),
    [
        ("", "numalocal-system", ["default"]),
        ("", "default", ["kube-public"]),
        ("serving", "numalocal-system", ["serving"]),
        ("serving", "serving", []),
    ],
)
def test_the_webhook_is_tried_where_it_serves(
    served: str, release: str, expected: list[str]
) -> None:
    place = Webhook(namespace=release, service="w", secret="w", configuration="w", managed=False)
    asked: list[str] = []

    def create(pod: Raw) -> Raw:
        asked.append(pod["metadata"]["namespace"])
        return injected(pod)

    found(SERVING, create=create, config=Config(namespace=served, webhook=place))

    assert asked == expected


def test_without_a_webhook_none_is_tried() -> None:
    assert found(SERVING, create=refused, config=WITHOUT)[0]


def test_nodes_that_cannot_be_listed_are_a_failure_with_a_sentence(
    api: FakeApi, cluster: Cluster
) -> None:
    path = "/apis/numalocal.io/v1alpha1/nodecputopologies"
    api.refusals["GET", path] = (403, "not allowed")

    (finding,) = tried(cluster.topologies, cluster.try_pod, WITH)

    assert (finding.well, finding.sentence) == (False, "the nodes cannot be listed: not allowed")


def test_the_pod_is_tried_as_a_dry_run(api: FakeApi, cluster: Cluster) -> None:
    pod = {"metadata": {"generateName": "x-", "namespace": "serving"}}

    assert cluster.try_pod(pod)["metadata"]["name"].startswith("x-")
    assert api.requests[-1] == ("POST", "/api/v1/namespaces/serving/pods")
