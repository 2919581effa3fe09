import json
from typing import Any

import pytest

from numalocal_operator.bound import CONDITION, Condition, condition

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
        "metadata": {"name": "p", "namespace": "serving"},
        "spec": {"nodeName": "node-a"},
        "status": {"initContainerStatuses": checks, **status},
    }


def test_a_pod_whose_check_has_passed_is_bound() -> None:
    assert condition(pod(json.dumps(REPORT))) == Condition(
        "True",
        "Verified",
        "rank 0 on CPUs 2-3, memory of NUMA node 0; rank 1 on CPUs 6-7, memory of NUMA node 1 of "
        "node node-a",
    )


def test_what_is_told_already_is_not_told_again() -> None:
    said = condition(pod(json.dumps(REPORT)))
    assert said is not None
    told = {"type": CONDITION, "status": "True", "reason": said.reason, "message": said.message}

    assert condition(pod(json.dumps(REPORT), conditions=[{"type": "Ready"}, told])) is None


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
