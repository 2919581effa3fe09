"""Rounds of workers on fleets in which not every node can bind what is asked."""

import json
from typing import Any

import pytest

from .builders import raw_node, raw_worker, running, topology
from .fake_api import EVENTS, PODS, WORKERS, FakeApi
from .informed import LLAMA, Informed

POD = f"{PODS}/llama-0"
ALL = ["Bind", "Preferred", "Interleave", "WeightedInterleave"]
INTERLEAVED: dict[str, Any] = {"memory": {"policy": "Interleave", "nodes": "Any"}}
ALLOWED = "not bound as planned, which enforcement BestEffort allows: no agent"


def telling(name: str, *policies: str, **status: Any) -> dict[str, Any]:
    """Make what a node tells; its runtime can set these policies."""
    pool = {"name": "cpuset", "sets": 2, "cpusPerSet": 4, "free": 2}
    why = "" if len(policies) == len(ALL) else "containerd 1.7.24 is too old"
    memory = {"policies": list(policies), "message": why}
    return topology(name, pools=[pool], machine={"numaNodes": 2}, memory=memory, **status)


NEW, OLD = telling("new", *ALL), telling("old", "Bind")


def know(turn: Informed, *told: dict[str, Any]) -> None:
    turn.topologies.listed(told)
    turn.nodes.listed(raw_node(one["metadata"]["name"]) for one in told)


def kept_off(api: FakeApi, pod: str = "llama-0") -> list[str]:
    """Give the nodes that a pod's affinity names."""
    found = api.objects[f"{PODS}/{pod}"]["spec"].get("affinity", {}).get("nodeAffinity", {})
    required = found.get("requiredDuringSchedulingIgnoredDuringExecution", {})
    terms = required.get("nodeSelectorTerms", [{}])
    return [value for one in terms[0].get("matchFields", []) for value in one["values"]]


def condition(api: FakeApi, kind: str = "Degraded") -> tuple[str, str, str]:
    conditions = api.objects[f"{WORKERS}/llama"]["status"]["conditions"]
    (one,) = [one for one in conditions if one["type"] == kind]
    return one["status"], one["reason"], one["message"]


def events(api: FakeApi, reason: str) -> list[str]:
    told = [one for path, one in api.objects.items() if path.startswith(EVENTS)]
    return [one["message"] for one in told if one["reason"] == reason]


def ran(
    api: FakeApi,
    report: dict[str, Any],
    exit_code: int = 0,
    pod: str = "llama-0",
    node: str = "new",
) -> None:
    """Let a pod have its node, and a check that has left a report."""
    raw = api.objects[f"{PODS}/{pod}"]
    whole = {"verified": True, "cpus": "0-3", "mems": "0-1", "message": "bound", "ranks": []}
    ended = {"exitCode": exit_code, "message": json.dumps({**whole, **report})}
    check = {"name": "numalocal-check", "state": {"terminated": ended}}
    raw["spec"]["nodeName"] = node
    raw["status"] = {
        "phase": "Running" if not exit_code else "Pending",
        "initContainerStatuses": [check],
        "containerStatuses": [running()] if not exit_code else [],
        "conditions": [{"type": "Ready", "status": "True"}] if not exit_code else [],
    }
    api.changed(f"{PODS}/{pod}")


def test_a_pod_is_kept_off_nodes_that_cannot_bind_it_and_another_is_not(
    api: FakeApi, turn: Informed
) -> None:
    know(turn, NEW, OLD)
    api.put(WORKERS, raw_worker(**INTERLEAVED))
    turn()

    assert kept_off(api) == ["old"]
    assert condition(api)[0] == "False", "there is a node that can"

    del api.objects[POD]
    api.put(WORKERS, raw_worker())
    turn()
    assert kept_off(api) == []


def test_a_worker_that_no_node_can_ever_bind_gets_no_pod_until_one_can(
    api: FakeApi, turn: Informed
) -> None:
    know(turn, OLD)
    api.put(WORKERS, raw_worker(**INTERLEAVED))

    turn()

    why = (
        "no node can take a replica: node old has a runtime or kernel that cannot set memory "
        "policy Interleave: containerd 1.7.24 is too old"
    )
    assert condition(api) == ("True", "NoNodeFits", why)
    assert events(api, "NoNodeFits") == [why]
    assert api.names(PODS) == []
    assert turn.store.waiting() == {LLAMA}, "an event of a node brings its next round"

    know(turn, NEW, OLD)
    turn()
    assert kept_off(api) == ["old"]
    assert condition(api)[0] == "False"
    assert turn.store.waiting() == {LLAMA}, "its pod has no node"
    ran(api, {})
    turn()
    assert turn.store.waiting() == set()


def test_of_a_worker_that_no_node_can_bind_any_more_what_runs_stays(
    api: FakeApi, turn: Informed
) -> None:
    know(turn, NEW)
    api.put(WORKERS, raw_worker(replicas=2, **INTERLEAVED))
    turn()
    ran(api, {})

    know(turn, telling("new", "Bind"))
    turn()
    turn()

    assert api.names(PODS) == ["llama-0"]
    assert condition(api)[1] == "NoNodeFits"


def test_a_pod_that_waits_follows_what_nodes_can_do_and_one_that_has_its_node_stays(
    api: FakeApi, turn: Informed
) -> None:
    know(turn, NEW, OLD)
    api.put(WORKERS, raw_worker(**INTERLEAVED))
    turn()
    revision = api.objects[POD]["metadata"]["labels"]["numalocal.io/revision"]

    know(turn, NEW, telling("old", *ALL))
    turn()
    turn()

    assert kept_off(api) == []
    assert api.objects[POD]["metadata"]["labels"]["numalocal.io/revision"] == revision
    ran(api, {})
    know(turn, NEW, OLD)
    turn()
    assert "deletionTimestamp" not in api.objects[POD]["metadata"]


def test_nothing_is_written_while_a_mixed_fleet_stays_as_it_is(
    api: FakeApi, turn: Informed
) -> None:
    know(turn, NEW, OLD)
    api.put(WORKERS, raw_worker(replicas=3, **INTERLEAVED))
    turn()
    turn()
    api.requests.clear()

    for _ in range(3):
        turn()

    assert api.requests == []


AWAY = [{"type": "Ready", "status": "True", "reason": "NotEnforced", "message": "NRI is off"}]


def test_who_must_be_bound_waits_for_a_runtime_that_binds_and_who_need_not_does_not(
    api: FakeApi, turn: Informed
) -> None:
    know(turn, telling("loose", "Bind", enforcement="BestEffort", conditions=AWAY))
    api.put(WORKERS, raw_worker())
    turn()

    assert kept_off(api) == ["loose"]
    assert condition(api)[1:] == (
        "NoNodeFits",
        "no node can take a replica: node loose has no runtime that binds containers now: "
        "NRI is off",
    )
    del api.objects[POD]
    api.put(WORKERS, raw_worker(enforcement="BestEffort", **INTERLEAVED))
    turn()
    assert kept_off(api) == []
    assert condition(api)[0] == "False"


def test_a_replica_that_runs_unbound_as_it_may_is_told_once_and_stays(
    api: FakeApi, turn: Informed
) -> None:
    api.put(WORKERS, raw_worker(enforcement="BestEffort"))
    turn()
    ran(api, {"verified": False, "message": ALLOWED, "unbound": ["no agent"]})
    turn()
    turn()

    assert condition(api, "Bound") == ("False", "NotBound", f"pod llama-0: {ALLOWED}")
    assert condition(api, "Ready")[0] == "True"
    assert events(api, "NotBound") == [f"pod llama-0: {ALLOWED}"]
    (placed,) = api.objects[f"{WORKERS}/llama"]["status"]["placements"]
    assert (placed["enforcement"], placed["verified"]) == ("BestEffort", False)
    assert api.objects[f"{WORKERS}/llama"]["status"]["columns"]["verified"] == "0/1"


def test_memory_that_overflows_is_told_with_what_it_costs_once(
    api: FakeApi, turn: Informed
) -> None:
    api.put(WORKERS, raw_worker(memory={"perRank": "8Gi", "onOverflow": "Interleave"}))
    turn()
    cost = {"interleavedBytesPerSecond": 3_000_000_000, "nearBytesPerSecond": 4_000_000_000}
    ran(api, {"overflow": cost, "memoryPolicy": {"mode": "interleave", "nodes": "0-1"}})
    turn()
    turn()

    (placed,) = api.objects[f"{WORKERS}/llama"]["status"]["placements"]
    assert placed["memory"]["policy"] == "Interleave"
    assert placed["memory"]["overflow"].items() >= cost.items()
    (told,) = events(api, "MemoryOverflowed")
    assert told.startswith("pod llama-0: more memory than near nodes have: ")
    assert told.endswith("read at 3.0 GB/s, 75% of the 4.0 GB/s of near memory")
    assert condition(api, "Ready")[0] == "True", "it is what was asked for"


def test_a_node_whose_runc_sets_no_policy_is_told_and_its_sisters_keep_off_it(
    api: FakeApi, turn: Informed
) -> None:
    why = "memory policy interleave:0-1 is not set: runc 1.3 cannot"
    know(turn, NEW, telling("liar", *ALL))
    api.put(WORKERS, raw_worker(replicas=2, **INTERLEAVED))
    turn()
    refusal = {"verified": False, "message": why, "memoryPolicy": {"mode": "default", "nodes": ""}}

    ran(api, refusal, exit_code=1, node="liar")
    turn()
    turn()

    assert condition(api)[1:] == ("CheckRefused", f"pod llama-0: {why}")
    assert kept_off(api, "llama-1") == ["liar"], "it had no node yet, and was made anew"


def test_more_nodes_than_a_pod_can_be_kept_off_are_told(api: FakeApi, turn: Informed) -> None:
    know(turn, NEW, *(telling(f"old{at:02}", "Bind") for at in range(70)))
    api.put(WORKERS, raw_worker(**INTERLEAVED))

    turn()

    assert len(kept_off(api)) == 64
    status, reason, message = condition(api)
    assert (status, reason) == ("True", "NotKeptOff")
    assert message.startswith("70 nodes cannot bind a pod as it asks")


@pytest.mark.parametrize("spec", [{}, {"ranks": 2}, {"memory": {"perRank": "1Gi"}}])
def test_on_nodes_of_an_older_release_plain_workers_are_as_they_were(
    api: FakeApi, turn: Informed, spec: dict[str, Any]
) -> None:
    pool = {"name": "cpuset", "sets": 2, "cpusPerSet": 4, "free": 2}
    know(turn, topology("older", pools=[pool]))
    api.put(WORKERS, raw_worker(**spec))

    turn()

    metadata, spec_ = (api.objects[POD][part] for part in ("metadata", "spec"))
    assert "affinity" not in spec_
    ours = {name for name in metadata["annotations"] if name.startswith("numalocal.io/")}
    assert ours <= {
        f"numalocal.io/{one}"
        for one in ("engine", "openmp", "container", "bound-containers", "numbers")
    }
