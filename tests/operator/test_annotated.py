import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import kopf
import pytest

from numalocal.worker.inject import PoolNumbers
from numalocal_operator import annotated
from numalocal_operator.bound import CONDITION, Condition
from numalocal_operator.cluster import Cluster
from numalocal_operator.offers import Offers
from numalocal_operator.webhook.keeper import Keeper
from numalocal_operator.webhook.server import Server

from .fake_api import EVENTS, PODS, FakeApi

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ASKED = {"numalocal.io/cpusets": "1"}
REPORT = {
    "verified": True,
    "cpus": "2-3",
    "mems": "0",
    "ranks": [{"cpus": "2-3", "numaNode": 0}],
    "message": "bound",
}


def raw_pod() -> dict[str, Any]:
    ended = {"exitCode": 0, "message": json.dumps(REPORT)}
    check = {"name": "numalocal-check", "state": {"terminated": ended}}
    return {
        "metadata": {"name": "p", "namespace": "serving", "uid": "u-1", "annotations": ASKED},
        "spec": {"nodeName": "n"},
        "status": {"initContainerStatuses": [check], "conditions": [{"type": "Ready"}]},
    }


class StillServer(Server):
    """Opens no port."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def start(self) -> None:
        self.heard.append("start")

    async def stop(self) -> None:
        self.heard.append("stop")


class StillKeeper(Keeper):
    """Calls nobody."""

    def __init__(self) -> None:
        """Keep nothing."""

    async def run(self) -> None:
        await asyncio.sleep(3600)


@pytest.fixture
def offers() -> Offers:
    return Offers()


@pytest.fixture
def server() -> StillServer:
    return StillServer()


@pytest.fixture
def handlers(cluster: Cluster, offers: Offers, server: StillServer) -> dict[str, Any]:
    registry = kopf.OperatorRegistry()
    annotated.register(registry, cluster, offers, server, StillKeeper())
    found: list[Any] = [*registry._activities._handlers, *registry._watching._handlers]
    return {one.fn.__name__: one for one in found}


def test_the_webhook_is_served_as_long_as_the_operator_runs_and_the_nodes_are_known(
    handlers: dict[str, Any], server: StillServer, offers: Offers
) -> None:
    async def run() -> None:
        await handlers["serve"].fn()
        await handlers["end"].fn()

    asyncio.run(run())

    assert server.heard == ["start", "stop"]
    assert offers.pools() == {}


def test_nodes_and_their_end_are_followed(handlers: dict[str, Any], offers: Offers) -> None:
    told = {"numalocal.io/pools": json.dumps({"cpuset": {"cpusPerSet": 4}})}
    node = {"metadata": {"name": "n", "annotations": told}}

    asyncio.run(handlers["node_changed"].fn(type=None, body=node))
    assert offers.pools() == {"cpuset": PoolNumbers(cpus_per_set=4)}

    asyncio.run(handlers["node_changed"].fn(type="DELETED", body=node))
    assert offers.pools() == {}


def test_only_pods_that_were_given_sets_by_annotation_are_watched(
    handlers: dict[str, Any],
) -> None:
    assert handlers["injected_changed"].labels == {"numalocal.io/injected": "true"}


def test_a_bound_pod_gets_its_condition_beside_the_others_and_one_event(
    api: FakeApi, handlers: dict[str, Any]
) -> None:
    api.put(PODS, raw_pod())

    asyncio.run(handlers["injected_changed"].fn(type="MODIFIED", body=raw_pod()))

    ready, bound = api.objects[f"{PODS}/p"]["status"]["conditions"]
    assert ready == {"type": "Ready"}
    assert (bound["type"], bound["status"]) == (CONDITION, "True")
    (event,) = (one for path, one in api.objects.items() if path.startswith(EVENTS))
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": "p",
        "namespace": "serving",
        "uid": "u-1",
    }
    assert (event["type"], event["reason"]) == ("Normal", "Verified")


def test_a_pod_that_goes_is_left_alone(api: FakeApi, handlers: dict[str, Any]) -> None:
    going = raw_pod()
    going["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"

    asyncio.run(handlers["injected_changed"].fn(type="DELETED", body=raw_pod()))
    asyncio.run(handlers["injected_changed"].fn(type="MODIFIED", body=going))

    assert api.requests == []


def test_what_is_not_known_yet_is_no_event(api: FakeApi, cluster: Cluster) -> None:
    api.put(PODS, raw_pod())

    annotated.tell(cluster, raw_pod(), Condition("Unknown", "Checking", "waits"), NOW)

    assert [method for method, _ in api.requests] == ["PATCH"]


def test_an_api_server_that_refuses_stops_nobody(
    api: FakeApi, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    api.put(PODS, raw_pod())
    api.refusals["PATCH", f"{PODS}/p/status"] = (500, "etcd is away")

    annotated.tell(cluster, raw_pod(), Condition("True", "Verified", "bound"), NOW)

    assert caplog.records[0].getMessage() == "condition not told"
