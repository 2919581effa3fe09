import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.worker.spec import Worker
from numalocal_operator.observing.companions import BUDGET, SERVICE, Companion, observe
from numalocal_operator.planning.companions import (
    Change,
    Create,
    Remove,
    Taken,
    is_leaving,
    step,
)

from ..builders import make_worker

ENGINE = {"name": "engine", "image": "x", "ports": [{"name": "http", "containerPort": 8000}]}
HTTP = {"name": "http", "port": 8000, "targetPort": 8000, "protocol": "TCP"}
LABELS = {"numalocal.io/worker": "llama"}
ADDRESS = {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "sessionAffinity": "None"}


def asks(service: Any = None, budget: Any = None) -> Worker:
    return make_worker(ENGINE, service=service, disruptionBudget=budget)


def made(worker: Worker, kind: str) -> dict[str, Any]:
    """Give what the API server has of one that we have created."""
    one = step(worker, kind, None)
    assert isinstance(one, Create)
    raw: dict[str, Any] = json.loads(json.dumps(one.manifest))
    raw["metadata"] |= {"uid": f"c-{kind}", "resourceVersion": "7"}
    if kind == SERVICE:
        raw["spec"] = ADDRESS | raw["spec"]
    return raw


def merged(raw: Any, patch: Any) -> Any:
    """Merge a patch into an object, as RFC 7386 says it."""
    if not isinstance(patch, Mapping):
        return patch
    found = dict(raw) if isinstance(raw, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value)
    return found


def patched(worker: Worker, kind: str, raw: dict[str, Any]) -> dict[str, Any]:
    one = step(worker, kind, observe(kind, raw))
    assert isinstance(one, Change), one
    found: dict[str, Any] = merged(raw, one.patch)
    assert step(worker, kind, observe(kind, found)) is None, "one patch is enough"
    return found


def test_a_worker_that_asks_for_neither_has_neither() -> None:
    assert [step(asks(), kind, None) for kind in (SERVICE, BUDGET)] == [None, None]


def test_a_service_leads_to_the_workers_pods_and_goes_with_it() -> None:
    one = step(asks(service={}), SERVICE, None)

    assert isinstance(one, Create)
    metadata, spec = one.manifest["metadata"], one.manifest["spec"]
    assert (one.manifest["apiVersion"], one.manifest["kind"]) == ("v1", "Service")
    assert (metadata["name"], metadata["namespace"]) == ("llama", "serving")
    assert metadata["labels"] == spec["selector"] == LABELS
    assert metadata["ownerReferences"][0]["uid"] == "w-1"
    assert spec["ports"] == [HTTP]
    assert (spec["type"], spec["publishNotReadyAddresses"]) == ("ClusterIP", False)
    assert "clusterIP" not in spec


def test_a_headless_service_has_no_address() -> None:
    worker = asks(service={"type": "Headless", "publishNotReadyAddresses": True})

    spec = made(worker, SERVICE)["spec"]

    assert (spec["clusterIP"], spec["type"]) == ("None", "ClusterIP")
    assert spec["publishNotReadyAddresses"]


@pytest.mark.parametrize(
    ("asked", "amounts"),
    [
        ({}, {"maxUnavailable": 1}),
        ({"maxUnavailable": "25%"}, {"maxUnavailable": "25%"}),
        ({"minAvailable": 0}, {"minAvailable": 0}),
    ],
)
def test_a_budget_limits_what_a_drain_takes_but_not_of_what_serves_nobody(
    asked: Any, amounts: Any
) -> None:
    raw = made(asks(budget=asked), BUDGET)

    assert raw["apiVersion"] == "policy/v1"
    assert raw["spec"] == {
        "selector": {"matchLabels": LABELS},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        **amounts,
    }


@pytest.mark.parametrize("kind", [SERVICE, BUDGET])
def test_what_is_as_asked_is_left_alone_whatever_others_add(kind: str) -> None:
    worker = asks({}, {})
    raw = made(worker, kind)
    raw["metadata"] |= {"annotations": {"a": "b"}, "labels": {**LABELS, "team": "x"}}
    raw["metadata"]["finalizers"] = ["load-balancer"]
    raw["status"] = {"disruptionsAllowed": 1}
    if kind == SERVICE:
        raw["spec"] |= {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
        raw["spec"]["ports"] = [HTTP | {"nodePort": 30080, "appProtocol": "http"}]

    assert step(worker, kind, observe(kind, raw)) is None


def test_new_ports_take_the_place_of_the_old_and_what_others_say_of_one_stays() -> None:
    raw = made(asks(service={}), SERVICE)
    raw["spec"]["type"] = "NodePort"
    raw["spec"]["ports"] = [HTTP | {"nodePort": 30080}, {"port": 9, "nodePort": 30009}]
    ports = [{"name": "api", "port": 8000, "targetPort": "http"}, {"port": 70}]

    after = patched(asks(service={"ports": ports}), SERVICE, raw)

    first, second = after["spec"]["ports"]
    assert first == HTTP | {"name": "api", "targetPort": "http", "nodePort": 30080}
    assert second == {"name": "port-70", "port": 70, "targetPort": 70, "protocol": "TCP"}
    assert after["spec"]["type"] == "NodePort"


@pytest.mark.parametrize(
    "edit",
    [
        {"selector": {"app": "other"}},
        {"selector": {**LABELS, "app": "other"}},
        {"selector": None},
        {"publishNotReadyAddresses": True},
        {"ports": [{"port": 80}]},
        {"ports": None},
        {"type": "ExternalName"},
    ],
    ids=str,
)
def test_a_service_that_somebody_edits_is_put_right(edit: Any) -> None:
    worker = asks(service={})
    raw = made(worker, SERVICE)

    after = patched(worker, SERVICE, merged(raw, {"spec": edit}))

    assert after["spec"] == raw["spec"]


@pytest.mark.parametrize(
    "edit",
    [
        {"maxUnavailable": 5},
        {"maxUnavailable": None, "minAvailable": 1},
        {"unhealthyPodEvictionPolicy": "IfHealthyBudget"},
        {"unhealthyPodEvictionPolicy": None},
        {"selector": {"matchLabels": {"app": "other"}}},
        {"selector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}},
        {"selector": None},
    ],
    ids=str,
)
def test_a_budget_that_somebody_edits_is_put_right(edit: Any) -> None:
    worker = asks(budget={"maxUnavailable": "25%"})
    raw = made(worker, BUDGET)

    after = patched(worker, BUDGET, merged(raw, {"spec": edit}))

    assert after["spec"] == raw["spec"]


def test_a_budget_goes_from_one_amount_to_the_other() -> None:
    after = patched(asks(budget={"minAvailable": 2}), BUDGET, made(asks(budget={}), BUDGET))

    assert "maxUnavailable" not in after["spec"]
    assert after["spec"]["minAvailable"] == 2


def test_a_label_that_was_taken_off_is_put_back() -> None:
    worker = asks(service={})
    raw = made(worker, SERVICE)
    raw["metadata"]["labels"] = {"team": "x"}

    assert patched(worker, SERVICE, raw)["metadata"]["labels"] == {"team": "x", **LABELS}


def test_a_service_that_shall_have_an_address_or_none_any_more_is_made_anew() -> None:
    with_address, headless = asks(service={}), asks(service={"type": "Headless"})

    for worker, before in ((headless, with_address), (with_address, headless)):
        there = observe(SERVICE, made(before, SERVICE))
        assert step(worker, SERVICE, there) == Remove(there)


@pytest.mark.parametrize("kind", [SERVICE, BUDGET])
def test_ours_goes_when_nobody_asks_for_it_and_others_stay(kind: str) -> None:
    raw = made(asks({}, {}), kind)
    there = observe(kind, raw)
    raw["metadata"]["ownerReferences"] = []
    others = observe(kind, raw)

    assert step(asks(), kind, there) == Remove(there)
    assert step(asks(), kind, others) is None


@pytest.mark.parametrize("kind", [SERVICE, BUDGET])
def test_one_that_is_going_is_waited_for(kind: str) -> None:
    raw = made(asks({}, {}), kind)
    raw["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"

    assert step(asks(), kind, observe(kind, raw)) is None
    assert step(asks({}, {}), kind, observe(kind, raw)) is None


def theirs(which: str, **owner: Any) -> Companion:
    raw = made(asks({}, {}), which)
    raw["metadata"] |= {"labels": None, "ownerReferences": [owner] if owner else None}
    return observe(which, raw)


@pytest.mark.parametrize("kind", [SERVICE, BUDGET])
def test_somebody_elses_of_the_name_is_told_and_not_touched(kind: str) -> None:
    helm, other = theirs(kind), theirs(kind, uid="x", kind="Other", controller=True)
    gone = theirs(kind, uid="w-0", kind="CpuInferenceWorker", controller=True)

    for there in (helm, other, gone):
        assert step(asks({}, {}), kind, there) == Taken(there)
    assert [is_leaving(one) for one in (helm, other, gone)] == [False, False, True]


@pytest.mark.parametrize("kind", [SERVICE, BUDGET])
def test_what_a_worker_of_the_name_left_behind_is_adopted_beside_other_owners(kind: str) -> None:
    worker = asks({}, {})
    raw = made(worker, kind)
    raw["metadata"]["ownerReferences"] = [{"uid": "x", "kind": "Other"}]

    after = patched(worker, kind, raw)

    assert [one["uid"] for one in after["metadata"]["ownerReferences"]] == ["x", worker.uid]
    one = step(worker, kind, observe(kind, raw))
    assert isinstance(one, Change)
    assert one.patch["metadata"]["resourceVersion"] == "7", "not over an owner that came since"


PORTS = st.lists(
    st.fixed_dictionaries(
        {"port": st.integers(1, 5)},
        optional={
            "targetPort": st.sampled_from([1, "http"]),
            "nodePort": st.integers(30000, 30003),
        },
    ),
    max_size=4,
    unique_by=lambda one: one["port"],
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "ports": PORTS,
        "selector": st.dictionaries(st.sampled_from(["a", *LABELS]), st.just("llama")),
        "publishNotReadyAddresses": st.booleans(),
        "type": st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]),
        "externalIPs": st.just(["10.0.0.1"]),
    },
)


@given(spec=SPECS, ports=PORTS.filter(bool), unready=st.booleans())
def test_whatever_was_there_one_patch_makes_it_as_asked(
    spec: Any, ports: Any, *, unready: bool
) -> None:
    asked = [{name: value for name, value in one.items() if name != "nodePort"} for one in ports]
    worker = asks(service={"ports": asked, "publishNotReadyAddresses": unready})
    raw = made(worker, SERVICE)
    wanted = raw["spec"]
    raw["spec"] = {**ADDRESS, **spec}

    after = patched(worker, SERVICE, raw)["spec"] if raw["spec"] != wanted else wanted

    assert after["selector"] == LABELS
    assert after.get("publishNotReadyAddresses", False) == unready
    assert [one["port"] for one in after["ports"]] == [one["port"] for one in asked]
    assert after.get("externalIPs") == spec.get("externalIPs")
