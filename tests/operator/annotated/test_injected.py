import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import kopf
import pytest

from numalocal_operator.annotated import injected as annotated
from numalocal_operator.annotated.bound import CONDITION, Condition
from numalocal_operator.annotated.injected import Injected
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.observing.topologies import Topologies
from numalocal_operator.webhook.keeper import Keeper
from numalocal_operator.webhook.server import Server

from ..builders import over, owned, running, topology
from ..fake_api import EVENTS, PODS, FakeApi

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ASKED = {"numalocal.io/cpusets": "1", "numalocal.io/container": "engine"}
NAMED = {"name": "p", "namespace": "serving", "uid": "u-1"}
REPORT = {
    "verified": True,
    "cpus": "2-3",
    "mems": "0",
    "ranks": [{"cpus": "2-3", "numaNode": 0}],
    "message": "bound",
}


def raw_pod(container_id: str = "c-1", *, said: Any = None) -> dict[str, Any]:
    ended = {"exitCode": 0, "message": json.dumps(REPORT)}
    check = {"name": "numalocal-check", "state": {"terminated": ended}}
    conditions = [{"type": "Ready"}, *([said] if said else [])]
    return {
        "metadata": {**NAMED, "annotations": ASKED},
        "spec": {"nodeName": "node-a"},
        "status": {
            "initContainerStatuses": [check],
            "containerStatuses": [running(container_id)],
            "conditions": conditions,
        },
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
def topologies() -> Topologies:
    return Topologies()


@pytest.fixture
def injected(cluster: Cluster, topologies: Topologies) -> Injected:
    return Injected(cluster, topologies)


@pytest.fixture
def server() -> StillServer:
    return StillServer()


@pytest.fixture
def handlers(injected: Injected, server: StillServer) -> dict[str, Any]:
    registry = kopf.OperatorRegistry()
    annotated.register(registry, injected, server, StillKeeper())
    found: list[Any] = [*registry._activities._handlers, *registry._watching._handlers]
    return {one.fn.__name__: one for one in found}


def bound(api: FakeApi) -> dict[str, Any]:
    """Give the condition that stands on the pod."""
    conditions = api.objects[f"{PODS}/p"]["status"]["conditions"]
    found: list[dict[str, Any]] = [one for one in conditions if one["type"] == CONDITION]
    return found[0] if found else {}


def events(api: FakeApi) -> list[tuple[str, str]]:
    return [
        (one["type"], one["reason"]) for path, one in api.objects.items() if path.startswith(EVENTS)
    ]


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


def played(scene: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await scene()

    asyncio.run(run())


def test_the_webhook_is_served_as_long_as_the_operator_runs(
    handlers: dict[str, Any], server: StillServer
) -> None:
    async def run() -> None:
        await handlers["serve"].fn()
        await handlers["end"].fn()

    asyncio.run(run())

    assert server.heard == ["start", "stop"]


def test_only_pods_that_were_given_sets_by_annotation_are_watched(
    handlers: dict[str, Any],
) -> None:
    assert handlers["injected_changed"].labels == {"numalocal.io/injected": "true"}


def test_a_bound_pod_gets_its_condition_beside_the_others_and_one_event(
    api: FakeApi, handlers: dict[str, Any], topologies: Topologies
) -> None:
    topologies.observed(topology(sets=[owned("u-1", "c-1")]))
    api.put(PODS, raw_pod())

    asyncio.run(handlers["injected_changed"].fn(type="MODIFIED", body=raw_pod()))

    ready, said = api.objects[f"{PODS}/p"]["status"]["conditions"]
    assert ready == {"type": "Ready"}
    assert (said["type"], said["status"]) == (CONDITION, "True")
    (event,) = (one for path, one in api.objects.items() if path.startswith(EVENTS))
    assert event["involvedObject"] == {"apiVersion": "v1", "kind": "Pod", **NAMED}
    assert (event["type"], event["reason"]) == ("Normal", "Verified")


def test_what_is_told_already_is_not_told_again(
    api: FakeApi, injected: Injected, topologies: Topologies
) -> None:
    topologies.observed(topology(sets=[owned("u-1", "c-1")]))
    api.put(PODS, raw_pod())

    async def scene() -> None:
        await injected.observed(raw_pod(), gone=False)
        await injected.observed(raw_pod(said=bound(api)), gone=False)
        injected.told(frozenset({"u-1"}))
        await asyncio.sleep(0.05)

    played(scene)

    assert [method for method, _ in api.requests] == ["PATCH", "POST"]


def test_a_pods_event_may_come_before_its_nodes(
    api: FakeApi, injected: Injected, topologies: Topologies
) -> None:
    api.put(PODS, raw_pod())

    async def scene() -> None:
        await injected.observed(raw_pod(), gone=False)
        assert (bound(api)["status"], bound(api)["reason"]) == ("Unknown", "Starting")
        injected.told(topologies.observed(topology(sets=[owned("u-1", "c-1")])))
        await until(lambda: bound(api)["status"] == "True")
        await injected.observed(raw_pod("c-2"), gone=False)
        assert bound(api)["status"] == "Unknown", "the engine started anew"
        injected.told(topologies.observed(topology(sets=[owned("u-1", "c-2", "Unbound")])))
        await until(lambda: bound(api)["status"] == "False")
        await until(lambda: len(events(api)) == 2)

    played(scene)

    assert bound(api)["reason"] == "StartedUnbound"
    assert events(api) == [("Normal", "Verified"), ("Warning", "StartedUnbound")]


def test_what_a_node_takes_back_is_told_of_a_pod_that_was_bound(
    api: FakeApi, injected: Injected, topologies: Topologies
) -> None:
    topologies.observed(topology(sets=[owned("u-1", "c-1")]))
    api.put(PODS, raw_pod())

    async def scene() -> None:
        await injected.observed(raw_pod(), gone=False)
        injected.told(topologies.observed(topology(sets=[owned("u-1", "c-1", "Unbound")])))
        await until(lambda: bound(api)["reason"] == "StartedUnbound")

    played(scene)


def test_a_pod_that_goes_is_left_alone(
    api: FakeApi, injected: Injected, topologies: Topologies
) -> None:
    going = raw_pod()
    going["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    api.put(PODS, raw_pod())

    async def scene() -> None:
        await injected.observed(raw_pod(), gone=True)
        await injected.observed(going, gone=False)
        injected.told(topologies.observed(topology(sets=[owned("u-1", "c-1")])))
        await asyncio.sleep(0.05)

    played(scene)

    assert api.requests == []


def ended_pod(phase: str = "Running", exit_code: int = 0, **changed: Any) -> dict[str, Any]:
    """Make the pod with its engine ended, for good unless told otherwise."""
    raw = raw_pod(said=changed.pop("said", None))
    raw["spec"] |= {"restartPolicy": "Never", **changed}
    raw["status"] |= {"phase": phase, "containerStatuses": [over("c-1", exit_code)]}
    return raw


def told_at(timestamp: str, status: str = "True") -> dict[str, Any]:
    """Make the condition as it stood when the operator ended."""
    told = {"type": CONDITION, "status": status, "reason": "Verified", "message": "rank 0"}
    return {**told, "lastTransitionTime": timestamp}


@pytest.mark.parametrize(
    "looks",
    [
        ["node", "ended", "over"],
        ["node", "over"],
        ["ended", "node", "over"],
        ["ended", "over", "node"],
        ["over", "node"],
    ],
    ids=" then ".join,
)
@pytest.mark.parametrize("end", [("Succeeded", 0), ("Failed", 1)])
def test_a_pod_that_was_bound_is_told_so_when_its_engine_has_ended(
    looks: list[str],
    end: tuple[str, int],
    api: FakeApi,
    injected: Injected,
    topologies: Topologies,
) -> None:
    """Its node takes its word back before the pod is seen to end, or after that."""
    phase, exit_code = end
    topologies.observed(topology(sets=[owned("u-1", "c-1")]))
    api.put(PODS, raw_pod())

    async def scene() -> None:
        await injected.observed(raw_pod(), gone=False)
        for look in looks:
            if look == "node":
                injected.told(topologies.observed(topology(sets=[])))
                await asyncio.sleep(0.05)
            else:
                seen = ended_pod("Running" if look == "ended" else phase, exit_code)
                seen["status"]["conditions"] = [bound(api)]
                await injected.observed(seen, gone=False)
            assert bound(api)["status"] == "True", look

    played(scene)

    assert events(api) == [("Normal", "Verified")]


def test_an_engine_that_is_started_again_is_not_bound_until_then(
    api: FakeApi, injected: Injected, topologies: Topologies
) -> None:
    """And a pod that is evicted meanwhile was bound to its end."""
    topologies.observed(topology(sets=[owned("u-1", "c-1")]))
    api.put(PODS, raw_pod())

    async def scene() -> None:
        await injected.observed(raw_pod(), gone=False)
        topologies.observed(topology(sets=[]))
        await injected.observed(ended_pod(restartPolicy="Always"), gone=False)
        assert bound(api)["status"] == "Unknown"
        await injected.observed(ended_pod("Failed", restartPolicy="Always"), gone=False)

    played(scene)

    assert bound(api)["status"] == "True"


LONG_AGO, BEFORE, AFTER = "2026-01-02T03:00:00Z", "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"
"""Before the engine has started, in the same second, and when it ran."""


@pytest.mark.parametrize("raw", [raw_pod, ended_pod, lambda **said: ended_pod("Failed", **said)])
def test_an_operator_that_starts_anew_believes_what_was_told_of_the_engine_that_runs(
    raw: Callable[..., dict[str, Any]], api: FakeApi, injected: Injected
) -> None:
    """Its node has taken its word back already."""
    api.put(PODS, raw(said=told_at(AFTER)))

    played(lambda: injected.observed(raw(said=told_at(AFTER)), gone=False))

    assert bound(api)["status"] == "True"


@pytest.mark.parametrize("raw", [raw_pod, ended_pod])
@pytest.mark.parametrize("timestamp", [LONG_AGO, BEFORE, ""])
def test_an_operator_that_starts_anew_does_not_believe_what_was_told_of_another_engine(
    timestamp: str, raw: Callable[..., dict[str, Any]], api: FakeApi, injected: Injected
) -> None:
    api.put(PODS, raw(said=told_at(timestamp)))

    played(lambda: injected.observed(raw(said=told_at(timestamp)), gone=False))

    assert bound(api)["status"] == "Unknown"


def test_a_node_is_believed_more_than_what_was_told(
    api: FakeApi, injected: Injected, topologies: Topologies
) -> None:
    topologies.observed(topology(sets=[owned("u-1", "c-1", "Unbound")]))
    api.put(PODS, raw_pod(said=told_at(AFTER)))

    played(lambda: injected.observed(raw_pod(said=told_at(AFTER)), gone=False))

    assert bound(api)["reason"] == "StartedUnbound"


@pytest.mark.parametrize("before", [None, told_at(LONG_AGO, "Unknown")])
def test_a_pod_that_ended_before_its_node_was_heard_is_told_to_be_unknown(
    before: dict[str, Any] | None, api: FakeApi, injected: Injected
) -> None:
    ended = ended_pod("Succeeded", said=before)
    api.put(PODS, ended)

    played(lambda: injected.observed(ended, gone=False))

    assert (bound(api)["status"], bound(api)["reason"]) == ("Unknown", "Ended")
    assert bound(api)["message"] == (
        "container engine has ended, and node node-a has not said how it was started"
    )


def test_what_was_said_of_a_pod_that_was_evicted_holds(api: FakeApi, injected: Injected) -> None:
    evicted = ended_pod("Failed", said=told_at(LONG_AGO))
    evicted["status"]["containerStatuses"] = []
    api.put(PODS, evicted)

    played(lambda: injected.observed(evicted, gone=False))

    assert api.requests == []


def test_a_pod_whose_check_refused_and_that_has_ended_says_so(
    api: FakeApi, injected: Injected
) -> None:
    refused = ended_pod("Failed")
    (check,) = refused["status"]["initContainerStatuses"]
    check["state"]["terminated"] = {"exitCode": 1, "message": "no such CPU"}
    api.put(PODS, refused)

    played(lambda: injected.observed(refused, gone=False))

    assert bound(api)["reason"] == "CheckRefused"


def test_a_pod_that_the_kubelet_did_not_admit_says_why(api: FakeApi, injected: Injected) -> None:
    failed = raw_pod()
    failed["status"] = {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "full"}
    api.put(PODS, failed)

    played(lambda: injected.observed(failed, gone=False))

    assert (bound(api)["status"], bound(api)["reason"]) == ("Unknown", "Ended")
    assert bound(api)["message"].startswith("UnexpectedAdmissionError: full")


def test_a_label_alone_says_nothing_of_a_pod(api: FakeApi, injected: Injected) -> None:
    forged = raw_pod()
    forged["metadata"] |= {"labels": {"numalocal.io/injected": "true"}, "annotations": {}}
    api.put(PODS, forged)

    played(lambda: injected.observed(forged, gone=False))

    assert api.requests == []


def test_what_is_not_known_yet_is_no_event(api: FakeApi, cluster: Cluster) -> None:
    api.put(PODS, raw_pod())

    annotated.tell(cluster, NAMED, Condition("Unknown", "Checking", "waits"), NOW)

    assert [method for method, _ in api.requests] == ["PATCH"]


def test_an_api_server_that_refuses_stops_nobody(
    api: FakeApi, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    api.put(PODS, raw_pod())
    api.refusals["PATCH", f"{PODS}/p/status"] = (500, "etcd is away")

    annotated.tell(cluster, NAMED, Condition("True", "Verified", "bound"), NOW)

    assert caplog.records[0].getMessage() == "condition not told"
