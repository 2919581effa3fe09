import json
from collections.abc import Mapping
from typing import Any

import pytest

from numalocal.errors import SpecInvalid
from numalocal.problems import Problem
from numalocal.worker.spec import Worker
from numalocal_operator import status as statuses
from numalocal_operator.observed import ObservedPod
from numalocal_operator.plan import Plan

from .builders import NOW, NOW_S, make_pod, make_worker

LATER = "2026-01-02T03:09:05Z"
REPORT = {
    "verified": True,
    "cpus": "2-3,6-7",
    "mems": "0-1",
    "ranks": [
        {"cpus": "2-3", "numaNode": 0, "memoryBytes": 1024, "availableBytes": 4096},
        {"cpus": "6-7", "numaNode": 1, "memoryBytes": 1024, "availableBytes": 4096},
    ],
    "limitBytes": None,
    "message": "bound to CPUs 2-3,6-7 and NUMA nodes 0-1",
    "problems": [],
}
REFUSAL = {
    **REPORT,
    "verified": False,
    "message": "NUMA node 0 has 1.0 GiB available, less than the 64.0 GiB of rank 0; lower "
    "spec.memory.perRank",
}


def status_of(
    worker: Worker, *pods: ObservedPod, plan: Plan | None = None, **given: Any
) -> dict[str, Any]:
    arguments: dict[str, Any] = {"old": {}, "now": NOW, **given}
    old, now = arguments.pop("old"), arguments.pop("now")
    return statuses.status(worker, pods, plan or Plan(), old, now, **arguments)


def condition(status: Mapping[str, Any], kind: str) -> tuple[str, str, str]:
    (found,) = [one for one in status["conditions"] if one["type"] == kind]
    return found["status"], found["reason"], found["message"]


def test_a_worker_that_serves_is_available_and_nothing_else() -> None:
    worker = make_worker(replicas=2)

    status = status_of(worker, make_pod(worker, 0), make_pod(worker, 1))

    assert condition(status, "Available") == ("True", "ReplicasReady", "2 of 2 replicas are ready")
    assert condition(status, "Progressing")[:2] == ("False", "Settled")
    assert condition(status, "Degraded")[:2] == ("False", "AsPlanned")


def test_pods_are_counted_by_what_they_are() -> None:
    worker = make_worker(replicas=4)
    pods = [
        make_pod(worker, 0),
        make_pod(worker, 1, revision="old"),
        make_pod(worker, 2, ready=False),
        make_pod(worker, 3, ready=False, terminal=True, failure="Evicted: disk"),
        make_pod(worker, 4, owner_uid="w-2"),
    ]

    status = status_of(worker, *pods)

    counts = [status[key] for key in ("replicas", "readyReplicas", "updatedReplicas")]
    assert counts == [3, 2, 2]
    assert status["observedGeneration"] == 1
    assert status["selector"] == "numalocal.io/worker=llama"


def test_a_worker_without_replicas_is_available() -> None:
    assert condition(status_of(make_worker(replicas=0)), "Available")[0] == "True"


@pytest.mark.parametrize(
    ("changed", "reason", "message"),
    [
        pytest.param(
            {"ready": False, "unschedulable": "0/1 nodes are available"},
            "Unschedulable",
            "pod llama-0 waits for a node: 0/1 nodes are available",
            id="no room",
        ),
        pytest.param({"ready": False}, "Starting", "1 of 1 replicas start", id="starting"),
        pytest.param(
            {"revision": "old"},
            "Updating",
            "pods of an older spec are replaced: llama-0",
            id="rolling",
        ),
        pytest.param(
            {"ready": False, "deleting": True}, "Stopping", "pods are ending: llama-0", id="ending"
        ),
    ],
)
def test_what_is_under_way_is_told(changed: Mapping[str, Any], reason: str, message: str) -> None:
    worker = make_worker()

    status = status_of(worker, make_pod(worker, **changed))

    assert condition(status, "Progressing") == ("True", reason, message)


def test_waiting_for_room_is_not_degraded() -> None:
    worker = make_worker()
    pod = make_pod(worker, ready=False, unschedulable="0/1 nodes are available")

    assert condition(status_of(worker, pod), "Degraded")[0] == "False"


def test_a_refusal_of_the_check_is_repeated_word_by_word() -> None:
    worker = make_worker()
    pod = make_pod(
        worker,
        ready=False,
        check_passed=False,
        check_message=json.dumps(REFUSAL),
        failure="container numalocal-check: CrashLoopBackOff: back-off 10s",
    )

    status = status_of(worker, pod)

    assert condition(status, "Degraded") == (
        "True",
        "CheckRefused",
        f"pod llama-0: {REFUSAL['message']}",
    )
    assert status["placements"][0]["verified"] is False


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("exec: no such file", "exec: no such file"),
        ("", "the check failed without a message; see the log of its container"),
    ],
)
def test_a_check_that_could_not_report_is_told_by_what_there_is(message: str, told: str) -> None:
    worker = make_worker()
    pod = make_pod(worker, ready=False, check_passed=False, check_message=message)

    assert condition(status_of(worker, pod), "Degraded")[2] == f"pod llama-0: {told}"


@pytest.mark.parametrize(
    ("terminal", "reason"), [(True, "ReplicaFailed"), (False, "ContainerWaiting")], ids=str
)
def test_a_pod_that_fails_is_told(terminal: Any, reason: str) -> None:
    worker = make_worker()
    pod = make_pod(worker, ready=False, terminal=terminal, failure="Evicted: disk")

    degraded = condition(status_of(worker, pod), "Degraded")

    assert degraded == ("True", reason, "pod llama-0: Evicted: disk")


def test_a_pod_on_its_way_out_is_no_trouble() -> None:
    worker = make_worker(replicas=0)
    pod = make_pod(worker, deleting=True, check_passed=False, failure="Evicted: disk")

    assert condition(status_of(worker, pod), "Degraded")[0] == "False"


def test_a_taken_name_is_told_with_what_to_do() -> None:
    status = status_of(make_worker(), plan=Plan(conflicts=("llama-0",)))

    assert condition(status, "Degraded") == (
        "True",
        "NameTaken",
        "pods that are not this worker's have its names: llama-0; delete them",
    )


def test_what_the_api_server_refuses_is_told() -> None:
    refusals = ("pod llama-0: exceeded quota: team", "pod llama-1: exceeded quota: team")

    status = status_of(make_worker(replicas=2), refusals=refusals)

    assert condition(status, "Degraded") == ("True", "PodRefused", "; ".join(refusals))


def test_a_placement_says_where_each_rank_is_and_that_it_is_verified() -> None:
    worker = make_worker(ranks=2)
    pod = make_pod(worker, check_passed=True, check_message=json.dumps(REPORT))

    assert status_of(worker, pod)["placements"] == [
        {
            "pod": "llama-0",
            "node": "node-a",
            "enforcement": "Required",
            "ranks": [
                {"cpus": "2-3", "numaNode": 0, "memoryBytes": 1024},
                {"cpus": "6-7", "numaNode": 1, "memoryBytes": 1024},
            ],
            "verified": True,
        }
    ]


@pytest.mark.parametrize(
    ("engine_id", "started", "why"),
    [
        ("", None, "container engine does not run"),
        (
            "c-2",
            None,
            "the NodeCpuTopology of node node-a does not say yet how container engine was started",
        ),
        (
            "c-2",
            False,
            "container engine was created while the agent of node node-a was away, and lacks the "
            "variables of its CPU sets for good",
        ),
    ],
)
def test_a_passed_check_alone_verifies_nothing(engine_id: str, started: Any, why: str) -> None:
    worker = make_worker()
    pod = make_pod(
        worker,
        check_passed=True,
        check_message=json.dumps(REPORT),
        engine_id=engine_id,
        started=started,
    )

    (placed,) = status_of(worker, pod)["placements"]

    assert (placed["verified"], placed["message"]) == (False, why)


def test_an_engine_that_started_unbound_is_told_until_its_pod_is_replaced() -> None:
    worker = make_worker()
    pod = make_pod(worker, check_passed=True, check_message=json.dumps(REPORT), started=False)

    kind, reason, message = condition(status_of(worker, pod), "Degraded")

    assert (kind, reason) == ("True", "StartedUnbound")
    assert message.startswith("pod llama-0: container engine was created while the agent of node ")
    assert message.endswith("; it is replaced")


def test_a_report_that_says_nothing_of_a_refusal_still_verifies_nothing() -> None:
    worker = make_worker()
    silent = json.dumps({**REPORT, "verified": False, "message": ""})
    pod = make_pod(worker, check_passed=True, check_message=silent)

    (placed,) = status_of(worker, pod)["placements"]

    assert (placed["verified"], placed["message"]) == (False, "the check did not say why")


def test_placements_are_in_the_order_of_replicas_and_only_of_pods_that_were_checked() -> None:
    worker = make_worker(replicas=11)
    report = {"check_passed": True, "check_message": json.dumps(REPORT)}
    pods = [make_pod(worker, 10, **report), make_pod(worker, 2, **report), make_pod(worker, 0)]

    placements = status_of(worker, *pods)["placements"]

    assert [one["pod"] for one in placements] == ["llama-2", "llama-10"]


def test_memory_that_was_not_asked_for_is_left_out_of_the_placement() -> None:
    ranks = [{"cpus": "2-3", "numaNode": 0, "memoryBytes": None}]
    worker = make_worker()
    message = json.dumps({**REPORT, "ranks": ranks})
    pod = make_pod(worker, check_passed=True, check_message=message)

    assert status_of(worker, pod)["placements"][0]["ranks"] == [{"cpus": "2-3", "numaNode": 0}]


@pytest.mark.parametrize("message", ["", "done", "[]", '{"verified": true}', "{" * 5000])
def test_a_report_that_cannot_be_read_verifies_nothing_and_is_told(message: str) -> None:
    worker = make_worker()
    pod = make_pod(worker, check_passed=True, check_message=message)

    status = status_of(worker, pod)

    assert status["placements"][0] == {
        "pod": "llama-0",
        "node": "node-a",
        "enforcement": "Required",
        "ranks": [],
        "verified": False,
        "message": message or "the check failed without a message; see the log of its container",
    }
    assert condition(status, "Degraded")[1] == "ReportUnreadable"
    assert repr(message) in condition(status, "Degraded")[2]


def test_a_report_is_believed_only_if_the_check_ended_well() -> None:
    worker = make_worker()
    pod = make_pod(worker, check_passed=False, check_message=json.dumps(REPORT))

    assert status_of(worker, pod)["placements"][0]["verified"] is False


def test_what_engines_are_not_told_is_repeated_once() -> None:
    worker = make_worker(replicas=2)
    said = make_pod(worker, 0, notes=("a", "b")), make_pod(worker, 1, notes=("b", "c"))

    assert status_of(worker, *said)["notes"] == ["a", "b", "c"]


def test_a_transition_time_moves_only_when_the_condition_flips() -> None:
    worker = make_worker()
    starting = status_of(worker, make_pod(worker, ready=False))
    failing = make_pod(worker, ready=False, failure="container engine: ImagePullBackOff")

    status = status_of(worker, failing, old=starting, now=LATER)

    times = {one["type"]: one["lastTransitionTime"] for one in status["conditions"]}
    assert times == {"Available": NOW, "Progressing": NOW, "Degraded": LATER}


def test_the_same_observation_gives_the_same_status_later() -> None:
    worker = make_worker()
    pod = make_pod(worker, created_at_s=NOW_S)
    first = status_of(worker, pod)

    assert status_of(worker, pod, old=first, now=LATER) == first


def test_an_invalid_spec_is_told_in_full_and_the_rest_of_the_status_stays() -> None:
    worker = make_worker()
    before = status_of(worker, make_pod(worker))
    error = SpecInvalid(
        [Problem("spec.ranks", 0, "must be more"), Problem("spec.pool", 1, "must be a name")]
    )

    status = statuses.invalid(error, 2, before, LATER)

    assert status.keys() == {"observedGeneration", "conditions"}
    assert status["observedGeneration"] == 2
    assert condition(status, "Degraded") == (
        "True",
        "InvalidSpec",
        "spec.ranks: 0 must be more; spec.pool: 1 must be a name",
    )
    assert condition(status, "Available") == condition(before, "Available")


def test_a_spec_made_valid_again_is_no_longer_degraded() -> None:
    worker = make_worker()
    invalid = statuses.invalid(SpecInvalid([Problem("spec.ranks", 0, "no")]), 1, {}, NOW)

    status = status_of(worker, make_pod(worker), old=invalid, now=LATER)

    assert condition(status, "Degraded")[0] == "False"
    assert len(status["conditions"]) == 3


def test_no_message_is_longer_than_the_crd_allows() -> None:
    """The API server would refuse the whole status, again and again."""
    worker = make_worker(replicas=200)
    pod = make_pod(worker, ready=False, failure=40_000 * "x")
    error = SpecInvalid([Problem(f"spec.{n}", "x", 1_000 * "y") for n in range(50)])

    for status in (
        status_of(worker, pod),
        status_of(worker, refusals=[f"pod {n}: {300 * 'z'}" for n in range(200)]),
        statuses.invalid(error, 1, {}, NOW),
    ):
        assert max(len(one["message"]) for one in status["conditions"]) == 32_768


def test_a_fault_of_our_own_is_told_and_the_rest_of_the_status_stays() -> None:
    worker = make_worker()
    before = status_of(worker, make_pod(worker))

    status = statuses.failed(KeyError("name"), 2, before, LATER)

    assert condition(status, "Degraded") == (
        "True",
        "InternalError",
        "a fault of the operator (KeyError) keeps it from this worker: its log has the trace",
    )
    assert condition(status, "Available") == condition(before, "Available")
