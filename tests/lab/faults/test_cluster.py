"""What the API server says of pods, workers and the node."""

from typing import Any

from faults.cluster import parse


def condition(kind: str, status: str = "True") -> dict[str, str]:
    return {"type": kind, "status": status}


def pod(name: str, labels: dict[str, str], *conditions: str, **fields: Any) -> dict[str, Any]:
    states: list[dict[str, Any]] = [
        {"containerID": "containerd://abc", "state": {"running": {}}},
        {"containerID": "containerd://old", "state": {"terminated": {}}},
        {"state": {"waiting": {}}},
    ]
    status = {
        "phase": "Running",
        "conditions": [condition(kind) for kind in conditions],
        "containerStatuses": states,
    }
    metadata = {"name": name, "uid": f"uid-{name}", "labels": labels}
    return {"kind": "Pod", "metadata": metadata, "status": status | fields}


NODE = {
    "kind": "Node",
    "status": {"allocatable": {"numalocal.io/cpuset": "2"}, "conditions": [condition("Ready")]},
}
WORKER = {
    "kind": "CpuInferenceWorker",
    "status": {
        "conditions": [condition("Available")],
        "placements": [{"pod": "w-0", "verified": True}, {"pod": "w-1", "verified": False}],
    },
}


def test_pods_are_known_by_whose_they_are() -> None:
    seen = parse(
        {
            "items": [
                NODE,
                WORKER,
                pod("w-0", {"numalocal.io/worker": "w"}, "Ready"),
                pod("d-x", {"app": "d"}, "Ready", "numalocal.io/Bound"),
                pod("a-x", {"app.kubernetes.io/component": "agent"}),
            ]
        }
    )

    (worker,) = seen.of("w")
    (annotated,) = seen.of("d")
    (agent,) = seen.of("agent")
    assert (worker.uid, worker.ready, worker.bound) == ("uid-w-0", True, False)
    assert worker.containers == ("abc",)
    assert annotated.bound
    assert not agent.ready
    assert (seen.verified, seen.available, seen.offered) == (("w-0",), True, 2)
    assert seen.node_ready


def test_a_pod_that_has_ended_is_none_and_one_that_leaves_is_one() -> None:
    ended = pod("one", {"app": "d"}, phase="Failed")
    leaving = pod("two", {"app": "d"})
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    (left,) = parse({"items": [NODE, ended, leaving]}).of("d")

    assert left.leaving


def test_a_node_without_an_agent_offers_nothing_and_no_worker_is_available() -> None:
    node = {"kind": "Node", "status": {"allocatable": {}}}

    seen = parse({"items": [node, {"kind": "CpuInferenceWorker"}]})

    assert (seen.offered, seen.available, seen.node_ready) == (0, False, False)
