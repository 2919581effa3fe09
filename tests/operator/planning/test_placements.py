import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.sets.memoryask import MemoryAsk, MemoryPolicy, Overflow
from numalocal_operator.observing.observed import ObservedPod
from numalocal_operator.planning import conditions
from numalocal_operator.planning.placements import MAX_MESSAGE, placement, unable, unbound
from numalocal_operator.planning.plan import Plan
from numalocal_operator.planning.target import target

from ..builders import make_pod, make_worker

REPORT: dict[str, Any] = {
    "verified": True,
    "cpus": "2-3",
    "mems": "0-1",
    "ranks": [{"cpus": "2-3", "numaNode": 0}],
    "message": "bound",
}
ALLOWED = "not bound as planned, which enforcement BestEffort allows: no agent of this node"
NOT_BOUND = {**REPORT, "verified": False, "message": ALLOWED, "unbound": ["no agent"]}
INTERLEAVE = MemoryAsk(policy=MemoryPolicy.INTERLEAVE)


def checked(report: dict[str, Any], replica: int = 0, **fields: Any) -> ObservedPod:
    """Make a pod whose check has passed and left this report, but for what is given."""
    told = {"check_passed": True, "check_message": json.dumps(report), **fields}
    enforcement = "BestEffort" if fields.get("best_effort") else "Required"
    return make_pod(make_worker(enforcement=enforcement), replica, **told)


def memory(**report: Any) -> Any:
    placed = placement(checked({**REPORT, **report}))
    assert placed is not None
    return placed["memory"]


@pytest.mark.parametrize(
    ("mode", "policy"),
    [
        ("default", "Bind"),
        ("local", "Bind"),
        ("bind", "Bind"),
        ("preferred", "Preferred"),
        ("interleave", "Interleave"),
        ("weighted-interleave", "WeightedInterleave"),
        ("brand-new", "brand-new"),
    ],
)
def test_a_placement_says_how_memory_is_taken_in_the_words_of_the_spec(
    mode: str, policy: str
) -> None:
    found = memory(memoryPolicy={"mode": mode, "nodes": "0-1"})

    assert found == {"nodes": "0-1", "policy": policy}


def test_the_nodes_of_a_policy_go_before_all_that_a_container_may_use() -> None:
    found = memory(mems="0-3", memoryPolicy={"mode": "preferred", "nodes": "3"})

    assert found == {"nodes": "3", "policy": "Preferred"}


def test_what_the_kernel_does_not_tell_is_left_out() -> None:
    assert memory(memoryPolicy=None) == {"nodes": "0-1"}
    assert memory() == {"nodes": "0-1"}, "a check of an older release"


def test_memory_that_overflows_says_what_it_costs_by_what_was_measured() -> None:
    cost = {"interleavedBytesPerSecond": 15_000_000_000, "nearBytesPerSecond": 20_000_000_000}

    assert memory(overflow=cost)["overflow"] == {
        **cost,
        "message": "more memory than near nodes have: pages are interleaved over NUMA nodes 0-1, "
        "read at 15.0 GB/s, 75% of the 20.0 GB/s of near memory",
    }


def test_memory_that_overflows_unmeasured_says_so() -> None:
    assert memory(overflow={})["overflow"] == {
        "message": "more memory than near nodes have: pages are interleaved over NUMA nodes 0-1; "
        "what that costs could not be measured"
    }


@pytest.mark.parametrize("passed", [True, False])
def test_a_placement_says_with_what_enforcement_it_started(
    passed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    placed = placement(checked(REPORT, best_effort=passed))

    assert placed is not None
    assert placed["enforcement"] == ("BestEffort" if passed else "Required")
    assert placed["verified"], "which is what it is, whatever it might have been"


@pytest.mark.parametrize(
    ("report", "started", "why"),
    [
        (NOT_BOUND, True, ALLOWED),
        (NOT_BOUND, None, ALLOWED),
        (REPORT, False, "container engine was created while the agent of node node-a was away"),
    ],
)
def test_what_runs_unbound_is_told_and_never_verified(
    report: dict[str, Any],
    started: bool | None,  # noqa: FBT001 - a parameter of the test
    why: str,
) -> None:
    pod = checked(report, best_effort=True, started=started)
    placed = placement(pod)

    assert placed is not None
    assert not placed["verified"]
    assert placed["message"].startswith(why)
    assert unbound(pod).startswith(why)


def test_who_must_be_bound_is_never_said_to_run_without() -> None:
    assert unbound(checked(NOT_BOUND)) == ""
    assert unbound(checked(NOT_BOUND, best_effort=True, check_passed=False)) == ""
    assert unbound(checked(REPORT, best_effort=True)) == ""
    assert unbound(checked(REPORT, best_effort=True, check_message="x")) == ""


def verdicts(*pods: ObservedPod, **spec: Any) -> dict[str, conditions.Verdict]:
    worker = make_worker(**{"enforcement": "BestEffort", "replicas": len(pods), **spec})
    return dict(conditions.verdicts(target(worker), pods, Plan(), None, overdue=False))


def test_a_worker_that_runs_unbound_as_it_may_is_ready_and_says_so() -> None:
    found = verdicts(
        checked(REPORT, 0, best_effort=True), checked(NOT_BOUND, 1, best_effort=True, started=False)
    )

    assert found["Bound"] == ("False", "NotBound", f"pod llama-1: {ALLOWED}")
    assert found["Ready"].status == "True"
    assert found["Degraded"].status == "False"


def test_a_worker_that_may_run_unbound_and_does_not_says_that_it_is_bound() -> None:
    pods = [checked(REPORT, replica, best_effort=True) for replica in range(2)]

    assert verdicts(*pods)["Bound"] == (
        "True",
        "Verified",
        "2 of 2 replicas are bound as planned",
    )
    assert verdicts(pods[0], replicas=2)["Bound"].status == "Unknown"


def test_a_report_that_cannot_be_read_is_trouble_of_those_that_may_run_unbound_too() -> None:
    found = verdicts(checked(REPORT, best_effort=True, check_message="what?"))

    assert found["Degraded"].reason == "ReportUnreadable"


def test_a_worker_that_must_be_bound_has_no_condition_that_says_whether_it_is() -> None:
    assert "Bound" not in verdicts(checked(REPORT), enforcement="Required")


def refused(mode: str | None, node: str = "node-a", **fields: Any) -> ObservedPod:
    policy = None if mode is None else {"mode": mode, "nodes": ""}
    report = {**REPORT, "verified": False, "memoryPolicy": policy}
    return checked(report, node=node, check_passed=False, **fields)


def test_a_node_whose_check_found_no_policy_is_told_to_its_sisters() -> None:
    pods = [refused("default", "old"), refused("local", "older"), refused("interleave", "full")]

    assert unable(pods, INTERLEAVE) == {"old", "older"}
    assert unable(pods, MemoryAsk(on_overflow=Overflow.INTERLEAVE)) == {"old", "older"}


def test_a_check_that_refused_for_anything_else_says_nothing_of_its_node() -> None:
    assert unable([refused("default")], MemoryAsk()) == frozenset(), "no policy was asked for"
    assert unable([refused(None)], INTERLEAVE) == frozenset()
    assert unable([refused("default", check_message="OOMKilled")], INTERLEAVE) == frozenset()
    assert unable([refused("default", node="")], INTERLEAVE) == frozenset()
    passed = {**REPORT, "memoryPolicy": {"mode": "default", "nodes": ""}}
    assert unable([checked(passed)], INTERLEAVE) == frozenset(), "one node has none to take turns"


SPEEDS = ("interleavedBytesPerSecond", "nearBytesPerSecond")
words = (
    st.none()
    | st.text(max_size=3)
    | st.integers()
    | st.dictionaries(st.text(max_size=2), st.text(max_size=2))
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "memoryPolicy": words | st.fixed_dictionaries({"mode": words, "nodes": words}),
            "overflow": words
            | st.fixed_dictionaries(dict.fromkeys(SPEEDS, words))
            | st.fixed_dictionaries(dict.fromkeys(SPEEDS, st.integers(0, (1 << 63) - 1))),
            "unbound": words | st.lists(words, max_size=2),
            "mems": st.text(max_size=3) | st.just("0," * 5000),
        },
    )
)
def test_whatever_a_container_writes_a_placement_can_be_held_by_a_status(
    said: dict[str, Any],
) -> None:
    placed = placement(checked({**REPORT, **said}))

    assert placed is not None
    json.dumps(placed)
    memory = placed.get("memory", {})
    overflow = memory.pop("overflow", {"message": ""})
    texts = [*memory.values(), overflow.pop("message")]
    assert all(isinstance(one, str) and len(one) <= MAX_MESSAGE for one in texts)
    assert all(type(one) is int and 0 <= one < 1 << 63 for one in overflow.values())
