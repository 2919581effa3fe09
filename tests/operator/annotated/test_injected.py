import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import UTC, datetime
from typing import Any

import kopf
import pytest

from numalocal_operator.annotated import injected as annotated
from numalocal_operator.annotated.bound import CONDITION, Condition
from numalocal_operator.annotated.injected import Injected
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.api.gate import NotLeading
from numalocal_operator.observing.topologies import Topologies

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


class AtOnce(Executor):
    """Does in the caller's thread what is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class Standing:
    """Whether this replica leads."""

    leads = True

    def __call__(self) -> bool:
        return self.leads


@pytest.fixture
def standing() -> Standing:
    return Standing()


@pytest.fixture
def topologies() -> Topologies:
    return Topologies()


@pytest.fixture
def injected(cluster: Cluster, topologies: Topologies, standing: Standing) -> Injected:
    return Injected(cluster, topologies, standing, AtOnce())


@pytest.fixture
def handler(injected: Injected) -> Any:
    registry = kopf.OperatorRegistry()
    annotated.register(registry, injected)
    (found,) = registry._watching._handlers
    return found


def bound(api: FakeApi) -> dict[str, Any]:
    """Give the condition that stands on the pod."""
    conditions = api.objects[f"{PODS}/p"]["status"]["conditions"]
    found: list[dict[str, Any]] = [one for one in conditions if one["type"] == CONDITION]
    return found[0] if found else {}


def events(api: FakeApi) -> list[tuple[str, str]]:
    return [
        (one["type"], one["reason"]) for path, one in api.objects.items() if path.startswith(EVENTS)
    ]


def test_only_pods_that_were_given_sets_by_annotation_are_watched(handler: Any) -> None:
    assert handler.labels == {"numalocal.io/injected": "true"}


def test_a_bound_pod_gets_its_condition_beside_the_others_and_one_event(
    api: FakeApi, handler: Any, topologies: Topologies
) -> None:
    topologies.observed(topology(sets=[owned("u-1", "c-1")]))
    api.put(PODS, raw_pod())

    asyncio.run(handler.fn(type="MODIFIED", body=raw_pod()))

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

    injected.observed(raw_pod(), gone=False)
    injected.observed(raw_pod(said=bound(api)), gone=False)
    injected.told(frozenset({"u-1"}))

    assert [method for method, _ in api.requests] == ["PATCH", "POST"]


def test_a_pod_as_it_was_before_that_comes_late_gets_no_second_event(
    api: FakeApi, injected: Injected, topologies: Topologies
) -> None:
    topologies.observed(topology(sets=[owned("u-1", "c-1")]))
    api.put(PODS, raw_pod())

    injected.observed(raw_pod(), gone=False)
    injected.observed(raw_pod(), gone=False)

    assert events(api) == [("Normal", "Verified")]
    assert bound(api)["status"] == "True"


def test_what_somebody_takes_off_the_pod_is_written_again(
    api: FakeApi, injected: Injected, topologies: Topologies
) -> None:
    topologies.observed(topology(sets=[owned("u-1", "c-1")]))
    api.put(PODS, raw_pod())
    injected.observed(raw_pod(), gone=False)
    api.put(PODS, raw_pod())

    injected.observed(raw_pod(), gone=False)

    assert bound(api)["status"] == "True"


def test_a_pods_event_may_come_before_its_nodes(
    api: FakeApi, injected: Injected, topologies: Topologies
) -> None:
    api.put(PODS, raw_pod())

    injected.observed(raw_pod(), gone=False)
    assert (bound(api)["status"], bound(api)["reason"]) == ("Unknown", "Starting")
    injected.told(topologies.observed(topology(sets=[owned("u-1", "c-1")])))
    assert bound(api)["status"] == "True"
    injected.observed(raw_pod("c-2"), gone=False)
    assert bound(api)["status"] == "Unknown", "the engine started anew"
    injected.told(topologies.observed(topology(sets=[owned("u-1", "c-2", "Unbound")])))
    assert bound(api)["status"] == "False"
    assert len(events(api)) == 2

    assert bound(api)["reason"] == "StartedUnbound"
    assert events(api) == [("Normal", "Verified"), ("Warning", "StartedUnbound")]


def test_what_a_node_takes_back_is_told_of_a_pod_that_was_bound(
    api: FakeApi, injected: Injected, topologies: Topologies
) -> None:
    topologies.observed(topology(sets=[owned("u-1", "c-1")]))
    api.put(PODS, raw_pod())

    injected.observed(raw_pod(), gone=False)
    injected.told(topologies.observed(topology(sets=[owned("u-1", "c-1", "Unbound")])))
    assert bound(api)["reason"] == "StartedUnbound"


def test_a_pod_that_goes_is_left_alone(
    api: FakeApi, injected: Injected, topologies: Topologies
) -> None:
    going = raw_pod()
    going["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    api.put(PODS, raw_pod())

    injected.observed(raw_pod(), gone=True)
    injected.observed(going, gone=False)
    injected.told(topologies.observed(topology(sets=[owned("u-1", "c-1")])))

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

    injected.observed(raw_pod(), gone=False)
    for look in looks:
        if look == "node":
            injected.told(topologies.observed(topology(sets=[])))
        else:
            seen = ended_pod("Running" if look == "ended" else phase, exit_code)
            seen["status"]["conditions"] = [bound(api)]
            injected.observed(seen, gone=False)
        assert bound(api)["status"] == "True", look

    assert events(api) == [("Normal", "Verified")]


def test_an_engine_that_is_started_again_is_not_bound_until_then(
    api: FakeApi, injected: Injected, topologies: Topologies
) -> None:
    """And a pod that is evicted meanwhile was bound to its end."""
    topologies.observed(topology(sets=[owned("u-1", "c-1")]))
    api.put(PODS, raw_pod())

    injected.observed(raw_pod(), gone=False)
    topologies.observed(topology(sets=[]))
    injected.observed(ended_pod(restartPolicy="Always"), gone=False)
    assert bound(api)["status"] == "Unknown"
    injected.observed(ended_pod("Failed", restartPolicy="Always"), gone=False)

    assert bound(api)["status"] == "True"


LONG_AGO, BEFORE, AFTER = "2026-01-02T03:00:00Z", "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"
"""Before the engine has started, in the same second, and when it ran."""


@pytest.mark.parametrize("raw", [raw_pod, ended_pod, lambda **said: ended_pod("Failed", **said)])
def test_an_operator_that_starts_anew_believes_what_was_told_of_the_engine_that_runs(
    raw: Callable[..., dict[str, Any]], api: FakeApi, injected: Injected
) -> None:
    """Its node has taken its word back already."""
    api.put(PODS, raw(said=told_at(AFTER)))

    injected.observed(raw(said=told_at(AFTER)), gone=False)

    assert bound(api)["status"] == "True"


@pytest.mark.parametrize("raw", [raw_pod, ended_pod])
@pytest.mark.parametrize("timestamp", [LONG_AGO, BEFORE, ""])
def test_an_operator_that_starts_anew_does_not_believe_what_was_told_of_another_engine(
    timestamp: str, raw: Callable[..., dict[str, Any]], api: FakeApi, injected: Injected
) -> None:
    api.put(PODS, raw(said=told_at(timestamp)))

    injected.observed(raw(said=told_at(timestamp)), gone=False)

    assert bound(api)["status"] == "Unknown"


def test_a_node_is_believed_more_than_what_was_told(
    api: FakeApi, injected: Injected, topologies: Topologies
) -> None:
    topologies.observed(topology(sets=[owned("u-1", "c-1", "Unbound")]))
    api.put(PODS, raw_pod(said=told_at(AFTER)))

    injected.observed(raw_pod(said=told_at(AFTER)), gone=False)

    assert bound(api)["reason"] == "StartedUnbound"


@pytest.mark.parametrize("before", [None, told_at(LONG_AGO, "Unknown")])
def test_a_pod_that_ended_before_its_node_was_heard_is_told_to_be_unknown(
    before: dict[str, Any] | None, api: FakeApi, injected: Injected
) -> None:
    ended = ended_pod("Succeeded", said=before)
    api.put(PODS, ended)

    injected.observed(ended, gone=False)

    assert (bound(api)["status"], bound(api)["reason"]) == ("Unknown", "Ended")
    assert bound(api)["message"] == (
        "container engine has ended, and node node-a has not said how it was started"
    )


def test_what_was_said_of_a_pod_that_was_evicted_holds(api: FakeApi, injected: Injected) -> None:
    evicted = ended_pod("Failed", said=told_at(LONG_AGO))
    evicted["status"]["containerStatuses"] = []
    api.put(PODS, evicted)

    injected.observed(evicted, gone=False)

    assert api.requests == []


def test_a_pod_whose_check_refused_and_that_has_ended_says_so(
    api: FakeApi, injected: Injected
) -> None:
    refused = ended_pod("Failed")
    (check,) = refused["status"]["initContainerStatuses"]
    check["state"]["terminated"] = {"exitCode": 1, "message": "no such CPU"}
    api.put(PODS, refused)

    injected.observed(refused, gone=False)

    assert bound(api)["reason"] == "CheckRefused"


def test_a_pod_that_the_kubelet_did_not_admit_says_why(api: FakeApi, injected: Injected) -> None:
    failed = raw_pod()
    failed["status"] = {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "full"}
    api.put(PODS, failed)

    injected.observed(failed, gone=False)

    assert (bound(api)["status"], bound(api)["reason"]) == ("Unknown", "Ended")
    assert bound(api)["message"].startswith("UnexpectedAdmissionError: full")


def test_a_label_alone_says_nothing_of_a_pod(api: FakeApi, injected: Injected) -> None:
    forged = raw_pod()
    forged["metadata"] |= {"labels": {"numalocal.io/injected": "true"}, "annotations": {}}
    api.put(PODS, forged)

    injected.observed(forged, gone=False)

    assert api.requests == []


def test_what_is_not_known_yet_is_no_event(api: FakeApi, cluster: Cluster) -> None:
    api.put(PODS, raw_pod())

    assert annotated.tell(cluster, NAMED, Condition("Unknown", "Checking", "waits"), NOW)

    assert [method for method, _ in api.requests] == ["PATCH"]


def test_an_api_server_that_refuses_stops_nobody(
    api: FakeApi, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    api.put(PODS, raw_pod())
    api.refusals["PATCH", f"{PODS}/p/status"] = (500, "etcd is away")

    assert not annotated.tell(cluster, NAMED, Condition("True", "Verified", "bound"), NOW)

    assert caplog.records[0].getMessage() == "condition not told"


def test_a_follower_tells_nothing_until_it_leads(
    api: FakeApi, injected: Injected, topologies: Topologies, standing: Standing
) -> None:
    standing.leads = False
    topologies.observed(topology(sets=[owned("u-1", "c-1")]))
    api.put(PODS, raw_pod())

    injected.observed(raw_pod(), gone=False)
    injected.tell_untold()
    assert api.requests == []

    standing.leads = True
    injected.tell_untold()
    injected.tell_untold()

    assert events(api) == [("Normal", "Verified")]
    assert [method for method, _ in api.requests] == ["PATCH", "POST"]


def test_what_the_leader_before_has_told_is_not_told_again(
    api: FakeApi, injected: Injected, topologies: Topologies, standing: Standing
) -> None:
    standing.leads = False
    topologies.observed(topology(sets=[owned("u-1", "c-1")]))
    api.put(PODS, raw_pod())
    injected.observed(raw_pod(), gone=False)
    told = bound_by_another(api, topologies)

    injected.observed(raw_pod(said=told), gone=False)
    standing.leads = True
    injected.tell_untold()

    assert api.requests == []


def bound_by_another(api: FakeApi, topologies: Topologies) -> dict[str, Any]:
    """Give the condition as another replica writes it."""
    told: list[dict[str, Any]] = []

    class Elsewhere(Cluster):
        """Keeps what is told."""

        def __init__(self) -> None:
            """Call nobody."""

        def tell_pod(self, metadata: Any, condition: Any) -> None:
            told.append(condition)

        def event(self, involved: Any, kind: str, reason: str, message: str, now: str) -> None:
            """Tell nobody."""

    Injected(Elsewhere(), topologies, lambda: True, AtOnce()).observed(raw_pod(), gone=False)
    (found,) = told
    return found


def test_what_could_not_be_told_is_told_later(
    api: FakeApi, injected: Injected, topologies: Topologies
) -> None:
    topologies.observed(topology(sets=[owned("u-1", "c-1")]))
    api.put(PODS, raw_pod())
    api.refusals["PATCH", f"{PODS}/p/status"] = (503, "busy")
    injected.observed(raw_pod(), gone=False)
    api.refusals.clear()

    injected.tell_untold()

    assert events(api) == [("Normal", "Verified")]


def test_a_write_that_the_gate_holds_back_is_told_by_who_leads_next(
    injected: Injected, topologies: Topologies, api: FakeApi, standing: Standing
) -> None:
    class Gone(Cluster):
        """Has ceased to lead between the question and the write."""

        def __init__(self) -> None:
            """Call nobody."""

        def tell_pod(self, metadata: Any, condition: Any) -> None:
            raise NotLeading

    topologies.observed(topology(sets=[owned("u-1", "c-1")]))
    api.put(PODS, raw_pod())
    injected._cluster, there = Gone(), injected._cluster
    injected.observed(raw_pod(), gone=False)
    injected._cluster = there

    injected.tell_untold()

    assert events(api) == [("Normal", "Verified")]
