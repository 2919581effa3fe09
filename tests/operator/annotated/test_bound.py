import json
from typing import Any

import pytest

from numalocal_operator.annotated import bound
from numalocal_operator.annotated.bound import CONDITION, Condition
from numalocal_operator.observing.reading import observe

from ..builders import running

ASKED = {"numalocal.io/cpusets": "1", "numalocal.io/container": "engine"}
REPORT = {
    "verified": True,
    "cpus": "2-3,6-7",
    "mems": "0-1",
    "ranks": [
        {"cpus": "2-3", "numaNode": 0},
        {"cpus": "6-7", "numaNode": 1},
    ],
    "message": "bound",
}


def pod(message: str | None = None, exit_code: int = 0, **status: Any) -> dict[str, Any]:
    ended = {"terminated": {"exitCode": exit_code, "message": message}}
    checks = [{"name": "numalocal-check", "state": ended if message is not None else {}}]
    return {
        "metadata": {"name": "p", "namespace": "serving", "uid": "p-0", "annotations": ASKED},
        "spec": {"nodeName": "node-a"},
        "status": {
            "initContainerStatuses": checks,
            "containerStatuses": [running("c-1")],
            **status,
        },
    }


def condition(raw: dict[str, Any], *, started: bool | None = True) -> Condition:
    return bound.condition(observe(raw, lambda *_: started))


def test_a_pod_whose_check_has_passed_is_bound() -> None:
    assert condition(pod(json.dumps(REPORT))) == Condition(
        "True",
        "Verified",
        "rank 0 on CPUs 2-3, memory of NUMA node 0; rank 1 on CPUs 6-7, memory of NUMA node 1 of "
        "node node-a",
    )


def test_a_passed_check_is_the_past_until_the_node_shows_how_the_engine_started() -> None:
    waits = condition(pod(json.dumps(REPORT)), started=None)

    assert waits == Condition(
        "Unknown",
        "Starting",
        "the NodeCpuTopology of node node-a does not say yet how container engine was started",
    )


def test_an_engine_that_does_not_run_is_not_bound() -> None:
    crashing = {
        "name": "engine",
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
    }

    starting = condition(pod(json.dumps(REPORT), containerStatuses=[]))
    failing = condition(pod(json.dumps(REPORT), containerStatuses=[crashing]))

    assert starting == Condition("Unknown", "Starting", "container engine does not run")
    assert failing.message == "container engine: CrashLoopBackOff: back-off 10s"


def test_an_engine_that_started_unbound_says_what_to_do() -> None:
    found = condition(pod(json.dumps(REPORT)), started=False)

    assert (found.status, found.reason) == ("False", "StartedUnbound")
    assert found.message == (
        "container engine was created while the agent of node node-a was away, and lacks the "
        "variables of its CPU sets for good: delete the pod, and its controller makes another"
    )


def test_what_stands_on_a_pod_is_read_as_it_is_told() -> None:
    said = condition(pod(json.dumps(REPORT)))
    told = {"type": CONDITION, "status": "True", "reason": said.reason, "message": said.message}

    assert bound.said(pod(conditions=[{"type": "Ready"}, told])) == said
    assert bound.said(pod(conditions=[{"type": "Ready"}])) is None
    assert bound.said(pod(conditions=None)) is None


@pytest.mark.parametrize(
    ("message", "exit_code", "said"),
    [
        (json.dumps({**REPORT, "verified": False, "message": "not bound"}), 1, "not bound"),
        ("OCI runtime error", 128, "OCI runtime error"),
        ("", 1, "the check left no report"),
        ("x" * 5000, 1, "x" * 1024),
    ],
)
def test_a_check_that_refused_says_why(message: str, exit_code: int, said: str) -> None:
    assert condition(pod(message, exit_code)) == Condition("False", "CheckRefused", said)


def test_until_the_check_has_ended_nothing_is_known() -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}

    assert condition(pod()) == Condition("Unknown", "Checking", "the check has not ended yet")
    assert condition(pod(conditions=[unscheduled])) == Condition("Unknown", "Checking", "0/3 nodes")


@pytest.mark.parametrize(
    "message",
    [
        "[" * 4096,
        "null",
        "[]",
        '{"verified": true}',
        json.dumps({**REPORT, "ranks": [{"cpus": "", "numaNode": float("inf")}]}),
        json.dumps({**REPORT, "ranks": {"a": 1}}),
        json.dumps({**REPORT, "ranks": [1]}),
        json.dumps({**REPORT, "limitBytes": {}}),
        '{"ranks": ' + "9" * 4000 + "}",
        "\0\x1b",
    ],
)
def test_what_is_no_report_is_told_as_it_is(message: str) -> None:
    said = condition(pod(message))

    assert (said.status, said.reason) == ("False", "CheckRefused")
    assert 0 < len(said.message) <= 1024


def test_a_condition_is_never_empty_as_an_empty_one_would_be_told_for_ever() -> None:
    silent = json.dumps({**REPORT, "verified": False, "message": ""})

    assert condition(pod(silent, 1)).message == "the check did not say why"


@pytest.mark.parametrize("attempt", ["9" * 5000, "-1", "x", "\u0663"])
def test_an_attempt_that_somebody_wrote_stops_nothing(attempt: str) -> None:
    raw = pod()
    raw["metadata"]["annotations"] = {**ASKED, "numalocal.io/attempt": attempt}

    assert condition(raw).status == "Unknown"


def test_a_check_that_does_not_know_its_ranks_says_what_it_knows() -> None:
    late = {**REPORT, "ranks": [], "message": "bound late to CPUs 2-3,6-7"}

    found = condition(pod(json.dumps(late)))

    assert found == Condition("True", "Verified", "bound late to CPUs 2-3,6-7")


def allowed(report: dict[str, Any], *, started: bool | None = True) -> Condition:
    """Tell of a pod that may run unbound."""
    raw = pod(json.dumps(report))
    raw["metadata"]["annotations"] = {**ASKED, "numalocal.io/enforcement": " BestEffort "}
    return condition(raw, started=started)


def test_a_pod_that_runs_unbound_as_it_may_is_not_said_to_be_refused() -> None:
    why = "not bound as planned, which enforcement BestEffort allows: no agent"
    unbound = {**REPORT, "verified": False, "message": why}

    assert allowed(unbound) == Condition("False", "NotBound", why)
    assert allowed(REPORT, started=False).reason == "NotBound"
    assert allowed(REPORT).reason == "Verified"
    assert condition(pod(json.dumps(unbound))).reason == "CheckRefused", "it had to be bound"


def test_a_pod_says_how_its_memory_is_taken_and_what_that_costs() -> None:
    cost = {"interleavedBytesPerSecond": 3_000_000_000, "nearBytesPerSecond": 4_000_000_000}
    policy = {"memoryPolicy": {"mode": "interleave", "nodes": "0-1"}}

    interleaved = condition(pod(json.dumps({**REPORT, **policy})))
    overflows = condition(pod(json.dumps({**REPORT, **policy, "overflow": cost})))

    assert interleaved.message.endswith(
        " of node node-a; memory policy Interleave over NUMA nodes 0-1"
    )
    assert overflows.message.endswith(
        "; more memory than near nodes have: pages are interleaved over NUMA nodes 0-1, read at "
        "3.0 GB/s, 75% of the 4.0 GB/s of near memory"
    )
