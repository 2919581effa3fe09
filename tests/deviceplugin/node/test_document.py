import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from numalocal.idset import IdSet
from numalocal.sets.assignment import Assignment
from numalocal.sets.memoryask import Enforcement, MemoryPolicy
from numalocal.sets.partition import Partition, partition
from numalocal.sets.pools import Pool
from numalocal_deviceplugin.abilities import Told
from numalocal_deviceplugin.binding import born
from numalocal_deviceplugin.node import document as documents
from numalocal_deviceplugin.node import memory
from numalocal_deviceplugin.node.document import About, document, stamped
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.settings import Settings
from numalocal_deviceplugin.snapshot import Snapshot
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State

from ..nodes import (
    CONTAINERD,
    KERNEL,
    N0,
    N1,
    make_container,
    make_machine,
    make_partition,
    make_pod,
    make_state,
    make_tiered_machine,
)

CRD = Path(__file__).parents[3] / "charts" / "numalocal" / "definitions" / "nodecputopologies.yaml"
ABOUT = About(agent="0.1.0", kernel="6.12.0")
NOW = "2026-01-02T03:04:05Z"
LATER = "2026-01-02T03:09:05Z"
BORN = ("NUMALOCAL_RANK_COMPUTE_CPUS",)


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse unknown fields: the API server would drop them."""
    made = dict(schema)
    if "properties" in schema:
        made["properties"] = {name: _strict(one) for name, one in schema["properties"].items()}
        made["additionalProperties"] = False
    if "items" in schema:
        made["items"] = _strict(schema["items"])
    return made


(VERSION,) = yaml.safe_load(CRD.read_text())["spec"]["versions"]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]["properties"]["status"]
VALIDATOR = jsonschema.Draft202012Validator(
    _strict(SCHEMA), format_checker=jsonschema.FormatChecker()
)


def told(now: Snapshot) -> dict[str, Any]:
    made = document(now, ABOUT)
    VALIDATOR.validate(stamped(made, None, NOW))
    return made


def sets(now: Snapshot) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in told(now)["sets"]}


def assignment(*ids: str) -> Assignment:
    return Assignment.of(one for one in make_partition().sets if one.id in ids)


def settle(state: State, pod: Pod, container: Container, *ids: str) -> None:
    """Let a container of a pod be created with its sets."""
    state.admit(pod, container, assignment(*ids) if ids else None)
    state.created(pod, container)


def test_an_idle_node_has_its_machine_its_pools_and_free_sets() -> None:
    made = told(make_state().snapshot())

    assert made["machine"] == {
        "architecture": "x86_64",
        "packages": 2,
        "numaNodes": 2,
        "cores": 4,
        "cpus": 8,
        "online": "0-7",
        "shared": "0-1,4-5",
        "lent": "2-3,6-7",
        "memoryBytes": 16 << 30,
    }
    assert made["idle"] == "shared"
    assert made["pools"] == [
        {
            "name": "cpuset",
            "sets": 2,
            "cpusPerSet": 2,
            "nodeMemoryBytes": 8 << 30,
            "reachBytes": {
                "Local": 8 << 30,
                "Near": 8 << 30,
                "MemoryOnly": 0,
                "Package": 8 << 30,
                "Any": 16 << 30,
            },
            "free": 2,
        }
    ]
    assert made["memory"] == {"policies": list(MemoryPolicy), "message": ""}
    assert (made["enforcement"], made["requiredPlugins"]) == ("Required", "Unknown")
    assert made["sets"][0] == {
        "id": N0,
        "pool": "cpuset",
        "cpus": "2-3",
        "numaNode": 0,
        "memoryNodes": "0",
        "memoryBytes": make_partition().sets[0].memory_bytes,
        "state": "Free",
    }
    assert made["counts"] == {"sets": 2, "held": 0, "free": 2, "unavailable": 0, "refusals": 0}
    assert made["versions"] == {
        "agent": "0.1.0",
        "kernel": "6.12.0",
        "runtime": "containerd",
        "runtimeVersion": "2.4.2",
    }
    assert made["conditions"] == [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Serving",
            "message": "containers are bound on this node",
        }
    ]


def test_a_held_set_names_its_container_its_rank_and_how_it_started() -> None:
    state = make_state()
    settle(state, make_pod(), make_container(assignment="x", env=BORN), N0, N1)

    found = sets(state.snapshot())

    owner = {
        "namespace": "default",
        "pod": "llama-0",
        "uid": "uid-of-llama-0",
        "container": "engine",
        "containerID": "id-of-engine",
        "started": "Bound",
        "memory": {"nodes": "0-1", "policy": "Bind", "overflowed": False},
    }
    assert found[N0]["owner"] == {**owner, "rank": 0}
    assert found[N1]["owner"] == {**owner, "rank": 1}
    assert found[N0]["state"] == found[N1]["state"] == "Held"
    assert told(state.snapshot())["pools"][0]["free"] == 0


def memory_of(state: State, asks: Mapping[str, str], env: tuple[str, ...] | None = None) -> Any:
    """Let a pod that asks have a set, and give what is told of its memory.

    With variables it was created with these, else with what the agent answers now.
    """
    pod, container = make_pod(**asks), make_container(assignment="x", env=env or ())
    if env is None:
        bound = born(pod, container, assignment(N0), state.snapshot().node)
        assert bound is not None
        container = container._replace(variables=bound.environment)
    settle(state, pod, container, N0)
    return memory_now(state)


def memory_now(state: State) -> Any:
    return sets(state.snapshot())[N0]["owner"].get("memory")


def tiered(runtime: Told = CONTAINERD) -> State:
    state = make_state(machine=make_tiered_machine())
    state.runtime_told(runtime)
    return state


@pytest.mark.parametrize(
    ("asks", "nodes", "policy"),
    [
        ({"memory_nodes": "Near"}, "0,2", "Bind"),
        ({"memory_policy": "Preferred"}, "0", "Preferred"),
        ({"memory_policy": "Preferred", "memory_nodes": "MemoryOnly"}, "2", "Preferred"),
        (
            {"memory_policy": "WeightedInterleave", "memory_nodes": "Any"},
            "0-2",
            "WeightedInterleave",
        ),
    ],
)
def test_a_holders_memory_is_told_with_its_policy(
    asks: dict[str, str], nodes: str, policy: str
) -> None:
    assert memory_of(tiered(), asks) == {"nodes": nodes, "policy": policy, "overflowed": False}


def test_an_overflow_is_told_with_the_nodes_that_were_added() -> None:
    found = memory_of(tiered(), {"on_overflow": "Interleave", "memory": "9Gi"})

    assert (found["nodes"], found["policy"], found["overflowed"]) == ("0,2", "Interleave", True)
    assert "more than NUMA node 0 can hold" in found["message"]


def test_a_policy_that_could_not_be_set_is_not_told_to_be() -> None:
    old = tiered(Told("containerd", "1.7.24"))
    asks = {"memory_policy": "Preferred", "enforcement": "BestEffort"}

    found = memory_of(old, asks)

    assert found["policy"] == "Bind"
    assert "memory policy Preferred is not set: the container runtime is" in found["message"]
    assert sets(old.snapshot())[N0]["owner"]["enforcement"] == "BestEffort"
    assert told(old.snapshot())["memory"]["policies"] == ["Bind"]
    assert "1.7.24" in told(old.snapshot())["memory"]["message"]


ALL = {"memory_policy": "Interleave", "memory_nodes": "Any"}
LOOSE = {**ALL, "enforcement": "BestEffort"}
OLD = Told("containerd", "1.7.24")


@pytest.mark.parametrize("asks", [ALL, LOOSE])
def test_a_policy_stays_whatever_the_runtime_becomes_while_its_container_lives(
    asks: dict[str, str],
) -> None:
    state = tiered()
    before = memory_of(state, asks)

    state.runtime_told(OLD)

    assert memory_now(state) == before
    assert before["policy"] == "Interleave"


def test_what_was_created_without_its_policy_has_none_under_a_newer_runtime_either() -> None:
    state = tiered(OLD)
    memory_of(state, LOOSE)

    state.runtime_told(CONTAINERD)

    found = memory_now(state)
    assert found["policy"] == "Bind"
    assert found["message"].endswith("it was created where it was not needed, or not to be had")


def test_a_policy_stays_while_memory_goes_and_comes() -> None:
    tier, flat = make_tiered_machine(), make_machine()
    state = tiered()
    before = memory_of(state, {"on_overflow": "Interleave", "memory": "18Gi"})
    state.set_machine(flat)
    without = memory_now(state)
    state.set_machine(tier)

    assert (before["policy"], without["policy"]) == ("Interleave", "Interleave")
    assert memory_now(state) == before


def test_memory_that_came_later_gives_no_policy_to_who_lives() -> None:
    state = tiered()
    state.set_machine(make_machine())
    memory_of(state, {"on_overflow": "Interleave", "memory": "18Gi"})

    state.set_machine(make_tiered_machine())

    assert memory_now(state)["policy"] == "Bind"
    assert "memory policy Interleave is not set" in memory_now(state)["message"]


def test_a_container_that_started_unbound_has_no_policy() -> None:
    found = memory_of(tiered(), {"memory_policy": "Preferred"}, env=())

    assert found["policy"] == "Bind"
    assert found["message"].endswith("it was created while the agent was away")


def test_of_a_pod_that_asks_for_nonsense_no_memory_is_told() -> None:
    assert memory_of(tiered(), {"memory_policy": "Best"}, BORN) is None


def test_a_pool_reaches_what_its_best_set_does() -> None:
    (pool,) = told(tiered().snapshot())["pools"]

    assert pool["reachBytes"] == {
        "Local": 8 << 30,
        "Near": 12 << 30,
        "MemoryOnly": 4 << 30,
        "Package": 12 << 30,
        "Any": 20 << 30,
    }


class TestWithoutTheRuntime:
    loose = Settings(enforcement=Enforcement.BEST_EFFORT, kernel=KERNEL)

    def test_a_best_effort_node_gives_its_sets_and_says_that_nothing_binds(self) -> None:
        state = make_state(settings=self.loose, synchronized=False)

        made = told(state.snapshot())

        assert made["enforcement"] == "BestEffort"
        assert [one["state"] for one in made["sets"]] == ["Free", "Free"]
        (ready,) = made["conditions"]
        assert (ready["status"], ready["reason"]) == ("True", "NotEnforced")
        assert [one["reason"] for one in made["refusals"]] == ["NotEnforced"]

    def test_what_the_kubelet_gave_is_held_though_nobody_tells_by_whom(self) -> None:
        state = make_state(settings=self.loose, synchronized=False)
        state.set_listing({("default", "llama-0"): frozenset({N0})}, state.snapshot().node.ledger)

        found = sets(state.snapshot())

        assert (found[N0]["state"], found[N1]["state"]) == ("Held", "Free")
        assert "owner" not in found[N0]
        assert told(state.snapshot())["pools"][0]["free"] == 1

    def test_a_best_effort_node_with_it_binds_as_any(self) -> None:
        made = told(make_state(settings=self.loose).snapshot())

        assert made["conditions"][0]["reason"] == "Serving"
        assert made["refusals"] == []

    def test_a_node_that_is_not_gives_nothing(self) -> None:
        made = told(make_state(synchronized=False).snapshot())

        assert [one["state"] for one in made["sets"]] == ["Unavailable", "Unavailable"]


def test_a_container_that_the_agent_did_not_answer_for_started_unbound() -> None:
    state = make_state()
    settle(state, make_pod(), make_container(assignment="x"), N0)

    assert sets(state.snapshot())[N0]["owner"]["started"] == "Unbound"


def test_before_its_engine_a_pods_check_has_the_sets_for_it() -> None:
    state = make_state()
    pod = make_pod(container="engine", bound_containers="numalocal-check")
    settle(state, pod, make_container("numalocal-check", env=BORN), N0)

    owner = sets(state.snapshot())[N0]["owner"]

    assert owner["container"] == "engine"
    assert "containerID" not in owner
    assert "started" not in owner


def test_a_restarted_container_is_the_one_that_was_created_last() -> None:
    state = make_state()
    pod, first = make_pod(), make_container(assignment="x", env=BORN)
    settle(state, pod, first, N0)
    settle(state, pod, first._replace(id="second", variables={}), N0)

    owner = sets(state.snapshot())[N0]["owner"]

    assert (owner["containerID"], owner["started"]) == ("second", "Unbound")


def test_a_crashed_container_holds_its_sets_and_has_no_id() -> None:
    state = make_state()
    pod = make_pod()
    settle(state, pod, make_container(assignment="x", env=BORN), N0)
    state.stopped(pod.uid, "id-of-engine")

    found = sets(state.snapshot())[N0]

    assert (found["state"], found["owner"]["container"]) == ("Held", "engine")
    assert "containerID" not in found["owner"]


def test_a_set_of_other_pools_is_held_by_whose_cpus_it_has() -> None:
    machine = make_machine()
    state = State(machine, partition(machine, (Pool(name="small", size=1),)))
    state.set_policy(Policy.NONE)
    state.runtime_told(Told("containerd", "2.4.2"))
    state.runtime_synchronized()
    settle(state, make_pod(), make_container(assignment="x", env=BORN), N0)

    held = [one for one in told(state.snapshot())["sets"] if one["state"] == "Held"]

    assert [one["cpus"] for one in held] == ["2-3"]
    assert "rank" not in held[0]["owner"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (make_state(policy=Policy.STATIC), "KubeletPinsCpus"),
        (make_state(policy=Policy.UNKNOWN), "KubeletPolicyUnknown"),
        (make_state(synchronized=False), "RuntimeUnreachable"),
    ],
)
def test_a_node_that_gives_nothing_is_not_ready_and_says_why(state: State, reason: str) -> None:
    made = told(state.snapshot())

    (ready,) = made["conditions"]
    assert (ready["status"], ready["reason"]) == ("False", reason)
    assert [one["state"] for one in made["sets"]] == ["Unavailable"] * 2
    assert {one["message"] for one in made["sets"]} == {ready["message"]}
    assert made["refusals"][0]["reason"] == reason
    assert made["counts"]["unavailable"] == 2


@pytest.mark.parametrize("reason", [Reason.POOLS_INVALID, Reason.MACHINE_UNREADABLE])
def test_a_node_that_has_no_set_to_give_is_not_ready_and_says_why(reason: Reason) -> None:
    refused = [Refusal(reason=reason, message="bad from the start")]
    none, some = State(make_machine(), Partition((), (), IdSet())), make_state()
    for state in (none, some):
        state.set_policy(Policy.NONE)
        state.runtime_told(CONTAINERD)
        state.runtime_synchronized()
        state.refuse("file", refused)

    (without,), (before,) = (told(one.snapshot())["conditions"] for one in (none, some))

    assert (without["status"], without["reason"]) == ("False", str(reason))
    assert without["message"] == "bad from the start"
    assert (before["status"], before["reason"]) == ("True", "Serving")


def test_what_is_held_stays_held_on_a_node_that_gives_nothing_new() -> None:
    state = make_state()
    settle(state, make_pod(), make_container(assignment="x", env=BORN), N0)
    state.set_policy(Policy.STATIC)

    found = sets(state.snapshot())

    assert (found[N0]["state"], found[N1]["state"]) == ("Held", "Unavailable")
    assert "message" not in found[N0]


def test_a_refused_pool_makes_its_sets_unavailable_and_no_others() -> None:
    machine = make_machine(nodes=2, cores=4)
    on = [IdSet.of([node]) for node in range(2)]
    pools = (Pool(name="small", size=1, nodes=on[0]), Pool(name="big", size=2, nodes=on[1]))
    state = State(machine, partition(machine, pools))
    state.set_policy(Policy.NONE)
    state.runtime_told(Told("containerd", "2.4.2"))
    state.runtime_synchronized()
    state.refuse(
        "kubelet", [Refusal(reason=Reason.NOT_REGISTERED, message="silent", subject="big")]
    )

    made = told(state.snapshot())

    found = {one["pool"]: (one["state"], one.get("message")) for one in made["sets"]}
    assert found == {"small": ("Free", None), "big": ("Unavailable", "silent")}


def test_a_set_that_is_offline_says_so() -> None:
    state = make_state()
    state.set_machine(make_machine().with_online(IdSet.parse("0-5")))

    found = sets(state.snapshot())[N1]

    assert found["state"] == "Unavailable"
    assert "bring it online" in found["message"]


def test_that_nothing_is_published_is_not_published() -> None:
    state = make_state()
    state.refuse("publishing", [Refusal(reason=Reason.NOT_PUBLISHED, message="no")])

    assert told(state.snapshot())["refusals"] == []


def test_a_condition_keeps_its_time_while_its_status_is_the_same() -> None:
    serving, away = make_state().snapshot(), make_state(synchronized=False).snapshot()
    first = stamped(told(serving), None, NOW)

    same = stamped(told(serving), first, LATER)
    flipped = stamped(told(away), first, LATER)

    assert same == first
    assert flipped["conditions"][0]["lastTransitionTime"] == LATER


def test_the_bounds_are_those_of_the_schema() -> None:
    status = SCHEMA["properties"]
    one_set = status["sets"]["items"]["properties"]

    assert status["sets"]["maxItems"] == documents.MOST_SETS
    assert status["pools"]["maxItems"] == documents.MOST_POOLS
    assert status["refusals"]["maxItems"] == documents.MOST_REFUSALS
    assert one_set["cpus"]["maxLength"] == documents.MOST_OF_SET
    assert one_set["memoryNodes"]["maxLength"] == memory.MOST_NODES
    assert one_set["message"]["maxLength"] == memory.MOST_SENTENCE
    assert status["machine"]["properties"]["online"]["maxLength"] == documents.MOST_OF_MACHINE


LONG = st.text(max_size=3) | st.just("x" * 5000)


@given(LONG, LONG, LONG, st.integers(0, 200))
def test_whatever_is_told_keeps_within_the_bounds(
    name: str, version: str, message: str, count: int
) -> None:
    state = make_state()
    pod = replace(make_pod(container=name), namespace=name, name=name, uid=name or "u")
    container = make_container(assignment="x")._replace(id=name, name=name)
    settle(state, pod, container, N0)
    refusals = [
        Refusal(reason=Reason.DRIFT, message=message, subject=f"{name}{number}")
        for number in range(count)
    ]
    state.refuse("drift", refusals)
    state.runtime_told(Told(version, version))
    state.runtime_synchronized()

    made = document(state.snapshot(), About(agent=version, kernel=version))

    VALIDATOR.validate(stamped(made, None, NOW))
    assert made["counts"]["refusals"] >= count
    assert len(json.dumps(made)) < 200_000


def test_movable_memory_is_out_of_reach_where_no_policy_can_be_set() -> None:
    state = make_state(machine=make_tiered_machine(movable=True))
    (pool,) = told(state.snapshot())["pools"]
    state.runtime_told(Told("containerd", "1.7.24"))
    made = told(state.snapshot())

    assert pool["reachBytes"]["MemoryOnly"] == 4 << 30
    assert made["pools"][0]["reachBytes"] == {**pool["reachBytes"], "MemoryOnly": 0}
    assert made["memory"]["message"].endswith("; Bind with nodes MemoryOnly: as it is movable")
