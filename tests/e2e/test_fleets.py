"""Workers on nodes that can do more and less with memory: a real API server without kubelets."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab.api_server import ApiServer
from nodeless import Caller, offering
from spaces import Raw, Space, soon
from test_verified import operating

GIB = 1 << 30
ALL = ["Bind", "Preferred", "Interleave", "WeightedInterleave"]
TOO_OLD = "the container runtime is containerd 1.7.24, whose NRI cannot set a memory policy"
INTERLEAVED = {"policy": "Interleave", "nodes": "Any"}
REACH = {"Local": 64, "Near": 64, "MemoryOnly": 0, "Package": 64, "Any": 128}
NEW, OLD, LOOSE = "fleet-new", "fleet-old", "fleet-loose"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def telling(api: ApiServer, name: str, *policies: str, **status: Any) -> Caller:
    """Have a node with two sets, whose runtime can set these policies."""
    caller = offering(api, name, "mixed", cpus=8, gib=32)
    able(caller, name, *policies)
    caller.patch(name, {"machine": {"numaNodes": 2}, **status})
    return caller


def able(caller: Caller, name: str, *policies: str) -> None:
    """Let a node tell what it can do with memory from now on."""
    reach = {word: gib * GIB for word, gib in REACH.items()}
    pool = {"name": "mixed", "sets": 2, "cpusPerSet": 8, "free": 2, "reachBytes": reach}
    why = "" if len(policies) == len(ALL) else TOO_OLD
    memory = {"policies": list(policies), "message": why}
    code, answer = caller.patch(name, {"memory": memory, "pools": [pool]})
    assert code == 200, answer
    assert answer["status"]["memory"]["policies"] == list(policies)


@pytest.fixture(scope="module")
def old(api: ApiServer) -> Caller:
    """Have three nodes, and give the agent of the one whose runtime is too old."""
    telling(api, NEW, *ALL)
    away = {"type": "Ready", "status": "True", "reason": "NotEnforced", "message": "NRI is off"}
    away |= {"lastTransitionTime": "2026-01-02T03:04:05Z"}
    telling(api, LOOSE, "Bind", enforcement="BestEffort", conditions=[away])
    return telling(api, OLD, "Bind")


@pytest.fixture(scope="module", autouse=True)
def operator(
    api: ApiServer, old: Caller, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    with operating(api, tmp_path_factory.mktemp("operator")):
        yield


def space(api: ApiServer, name: str) -> Space:
    made = Space(api, name, NEW)
    made.prepare()
    return made


def kept_off(here: Space, pod: str) -> list[list[str]]:
    """Give the nodes that each term of a pod's affinity excludes."""
    affinity = here.get("pod", pod)["spec"].get("affinity", {}).get("nodeAffinity", {})
    terms = affinity.get(REQUIRED, {}).get("nodeSelectorTerms", [])
    fields = [one.get("matchFields", []) for one in terms]
    return [[one["values"][0] for one in each if one["operator"] == "NotIn"] for each in fields]


def reasons(here: Space, worker: str) -> set[str]:
    chosen = f"--field-selector=involvedObject.name={worker}"
    listed = json.loads(here.kubectl("get", "events", chosen, "--output=json"))["items"]
    return {one["reason"] for one in listed}


def test_pods_are_kept_off_nodes_that_cannot_bind_them_beside_what_their_template_says(
    api: ApiServer,
) -> None:
    here = space(api, "mixed")
    zones = [
        {"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": [zone]}]}
        for zone in ("x", "y")
    ]
    template: Raw = {
        "spec": {
            "affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": zones}}},
            "containers": [{"name": "engine", "image": "engine"}],
        }
    }

    here.worker("plain", pool="mixed")
    here.worker("turns", pool="mixed", memory=INTERLEAVED)
    here.worker("zoned", pool="mixed", memory=INTERLEAVED, template=template)
    here.worker("loose", pool="mixed", memory=INTERLEAVED, enforcement="BestEffort")
    here.wait_pods("plain-0", "turns-0", "zoned-0", "loose-0")

    assert kept_off(here, "plain-0") == [[LOOSE]]
    assert kept_off(here, "turns-0") == [[LOOSE, OLD]]
    assert kept_off(here, "zoned-0") == [[LOOSE, OLD], [LOOSE, OLD]]
    assert kept_off(here, "loose-0") == []
    about = here.get("pod", "turns-0")["metadata"]["annotations"]
    assert about["numalocal.io/kept-off"] == f"{LOOSE},{OLD}"
    assert about["numalocal.io/memory-policy"] == "Interleave"
    here.wait_condition("turns", "Degraded", "AsPlanned")


def test_a_worker_that_no_node_can_bind_waits_without_a_pod_until_one_can(
    api: ApiServer, old: Caller
) -> None:
    here = space(api, "held")
    pinned = {"nodeSelector": {"kubernetes.io/hostname": OLD}}
    api.kubectl("label", "node", OLD, f"kubernetes.io/hostname={OLD}", "--overwrite")
    containers = [{"name": "engine", "image": "engine"}]
    template = {"spec": {**pinned, "containers": containers}}

    here.worker("turns", pool="mixed", memory=INTERLEAVED, template=template)

    # The operator may see the worker before the label.
    why = f"node {OLD} has a runtime or kernel that cannot set memory policy"
    message = here.wait_condition("turns", "Degraded", "NoNodeFits", why)
    assert TOO_OLD in message
    soon("an event", lambda: "NoNodeFits" in reasons(here, "turns"))
    assert here.pods() == {}

    able(old, OLD, *ALL)
    here.wait_pods("turns-0")
    here.wait_condition("turns", "Degraded", "AsPlanned")
    assert kept_off(here, "turns-0") == []

    able(old, OLD, "Bind")
    here.wait_pods()
    here.wait_condition("turns", "Degraded", "NoNodeFits")


def test_a_pod_that_waits_follows_the_nodes_and_one_that_has_its_node_stays(
    api: ApiServer, old: Caller
) -> None:
    here = space(api, "follows-fleet")
    here.worker("turns", pool="mixed", memory=INTERLEAVED)
    here.wait_pods("turns-0")
    assert kept_off(here, "turns-0") == [[LOOSE, OLD]]

    able(old, OLD, *ALL)
    soon("made anew", lambda: "turns-0" in here.pods() and kept_off(here, "turns-0") == [[LOOSE]])
    here.serve("turns-0")
    uid = here.pods()["turns-0"]
    able(old, OLD, "Bind")
    here.wait_condition("turns", "Ready", "ReplicasReady")

    assert here.pods()["turns-0"] == uid


def test_memory_of_all_nodes_counts_where_it_may_overflow(api: ApiServer) -> None:
    here = space(api, "overflows")
    large = {"perRank": "100Gi"}

    here.worker("refused", pool="mixed", memory=large)
    here.worker("wide", pool="mixed", memory={**large, "onOverflow": "Interleave"})

    message = here.wait_condition("refused", "Degraded", "NoNodeFits")
    assert "64.0 GiB of 100.0 GiB per rank" in message
    here.wait_pods("refused-0", "wide-0")
    here.wait_condition("wide", "Degraded", "AsPlanned")
    assert kept_off(here, "wide-0") == [[LOOSE, OLD]], "it must interleave to have so much"


def test_what_nodes_can_is_seen_by_those_who_list_them(api: ApiServer) -> None:
    listed = api.kubectl("get", "nct", "--output=wide").splitlines()

    (new,) = [line for line in listed if line.startswith(NEW)]
    assert {"POLICIES", "ENFORCEMENT"} <= set(listed[0].split())
    assert all(policy in new for policy in ALL)


def checked(here: Space, pod: str, **report: Any) -> None:
    """Let a pod run on its node after a check that has left this report."""
    whole = {"verified": True, "cpus": "0-7", "mems": "0-1", "message": "bound", "ranks": []}
    ended = {"exitCode": 0, "message": json.dumps({**whole, **report})}
    about = {"imageID": "", "ready": True, "restartCount": 0}
    check = {"name": "numalocal-check", "image": "check", "state": {"terminated": ended}, **about}
    here.serve(pod)
    patch = json.dumps({"status": {"initContainerStatuses": [check]}})
    here.kubectl(
        "patch", "pod", pod, "--subresource=status", "--type=strategic", f"--patch={patch}"
    )


def test_what_runs_unbound_as_it_may_is_ready_and_told(api: ApiServer) -> None:
    here = space(api, "loose")
    why = "not bound as planned, which enforcement BestEffort allows: no agent binds here"
    here.worker("llama", pool="mixed", enforcement="BestEffort")
    here.wait_pods("llama-0")

    checked(here, "llama-0", verified=False, message=why, unbound=["no agent binds here"])

    assert here.wait_condition("llama", "Bound", "NotBound") == f"pod llama-0: {why}"
    here.wait_condition("llama", "Ready", "ReplicasReady")
    (placed,) = here.get("ciw", "llama")["status"]["placements"]
    assert (placed["enforcement"], placed["verified"]) == ("BestEffort", False)
    soon("an event", lambda: "NotBound" in reasons(here, "llama"))
    wide = here.kubectl("get", "ciw", "llama", "--output=wide").splitlines()
    assert wide[0].split()[-3:] == ["MEMORY", "ENFORCEMENT", "BOUND"]
    assert wide[1].split()[-2:] == ["BestEffort", "False"]
    assert why in here.kubectl("describe", "ciw", "llama")


def test_what_an_overflow_costs_is_in_the_status_and_in_describe(api: ApiServer) -> None:
    here = space(api, "costs")
    memory = {"perRank": "100Gi", "onOverflow": "Interleave"}
    here.worker("llama", pool="mixed", memory=memory)
    here.wait_pods("llama-0")
    cost = {"interleavedBytesPerSecond": 15_000_000_000, "nearBytesPerSecond": 20_000_000_000}
    policy = {"mode": "interleave", "nodes": "0-1"}

    checked(here, "llama-0", memoryPolicy=policy, overflow=cost)

    soon("a placement", lambda: here.get("ciw", "llama")["status"].get("placements"))
    (placed,) = here.get("ciw", "llama")["status"]["placements"]
    assert (placed["memory"]["nodes"], placed["memory"]["policy"]) == ("0-1", "Interleave")
    assert placed["memory"]["overflow"].items() >= cost.items()
    soon("an event", lambda: "MemoryOverflowed" in reasons(here, "llama"))
    assert "75% of the 20.0 GB/s of near memory" in here.kubectl("describe", "ciw", "llama")
