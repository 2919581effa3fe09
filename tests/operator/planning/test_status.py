import json
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.errors import SpecInvalid
from numalocal.problems import Problem
from numalocal.worker.spec import Worker
from numalocal_operator.observing.observed import ObservedPod
from numalocal_operator.planning import status as statuses
from numalocal_operator.planning.placements import MAX_MESSAGE
from numalocal_operator.planning.plan import Creation, Plan
from numalocal_operator.planning.pod import revision
from numalocal_operator.planning.target import Target, target, unread
from numalocal_operator.planning.troubles import Trouble

from .. import kstatus
from ..builders import NOW, NOW_S, make_pod, make_worker, raw_worker

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
    return status_for(target(worker), *pods, plan=plan, **given)


def status_for(
    wanted: Target, *pods: ObservedPod, plan: Plan | None = None, **given: Any
) -> dict[str, Any]:
    """Make a status; every one must be what tools read it for."""
    arguments: dict[str, Any] = {"old": {}, "now": NOW, **given}
    old, now = arguments.pop("old"), arguments.pop("now")
    status = statuses.status(wanted, pods, plan or Plan(), old, now, **arguments)
    kstatus.hold(status, wanted.generation)
    return status


def condition(status: Mapping[str, Any], kind: str) -> tuple[str, str, str]:
    (found,) = [one for one in status["conditions"] if one["type"] == kind]
    return found["status"], found["reason"], found["message"]


def test_a_worker_that_serves_is_ready_and_available_and_nothing_else() -> None:
    worker = make_worker(replicas=2)

    status = status_of(worker, make_pod(worker, 0), make_pod(worker, 1))

    assert condition(status, "Available") == ("True", "ReplicasReady", "2 of 2 replicas are ready")
    assert condition(status, "Ready")[:2] == ("True", "ReplicasReady")
    assert condition(status, "Reconciling")[:2] == ("False", "Settled")
    assert condition(status, "Stalled")[:2] == ("False", "AsPlanned")
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

    assert condition(status, "Reconciling") == ("True", reason, message)
    assert condition(status, "Ready") == ("False", reason, message)


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


def test_pods_that_have_lost_their_revision_are_told_with_what_to_do() -> None:
    worker = make_worker(replicas=2)
    pods = [make_pod(worker, replica, revision="") for replica in range(2)]

    status = status_of(worker, *pods)

    _, reason, message = condition(status, "Degraded")
    assert reason == "PodChanged"
    assert message == (
        "pods have no label numalocal.io/revision: llama-0, llama-1; exempt a worker's pods "
        "from the admission that takes it off, and delete those that have lost it"
    )
    assert condition(status, "Available")[0] == "True"


def test_what_the_api_server_refuses_is_told() -> None:
    trouble = Trouble("PodRefused", "pod llama-0 (and 1 more): exceeded quota: team")

    status = status_of(make_worker(replicas=2), trouble=trouble)

    assert condition(status, "Degraded") == ("True", *trouble)
    assert condition(status, "Ready") == ("False", *trouble)
    assert condition(status, "Reconciling")[:2] == ("True", "Starting")


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
            "memory": {"nodes": "0-1"},
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


@pytest.mark.parametrize("message", ["", "done", "[]", '{"verified": true}', "{" * 800])
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
    assert times.pop("Degraded") == LATER
    assert set(times.values()) == {NOW}


def test_the_same_observation_gives_the_same_status_later() -> None:
    worker = make_worker()
    pod = make_pod(worker, created_at_s=NOW_S)
    first = status_of(worker, pod)

    assert status_of(worker, pod, old=first, now=LATER) == first


PROBLEMS = SpecInvalid(
    [Problem("spec.ranks", 0, "must be more"), Problem("spec.pool", 1, "must be a name")]
)


def invalid(error: SpecInvalid = PROBLEMS, **spec: Any) -> Target:
    raw = raw_worker(**spec)
    raw["metadata"]["generation"] = 2
    return unread(raw, error)


def test_an_invalid_spec_is_told_in_full_and_pods_go_on_being_observed() -> None:
    worker = make_worker(replicas=2)
    pods = make_pod(worker, 0), make_pod(worker, 1, terminal=True, ready=False, failure="Evicted")

    status = status_for(invalid(replicas=2), *pods)

    told = "spec.ranks: 0 must be more; spec.pool: 1 must be a name"
    assert condition(status, "Degraded") == ("True", "InvalidSpec", told)
    assert condition(status, "Stalled") == (
        "True",
        "InvalidSpec",
        f"{told}; pods that end meanwhile are not replaced",
    )
    known = status_for(replace(target(worker), problem=told), *pods)
    assert condition(known, "Stalled")[2].endswith("are replaced as the last good spec asks")
    assert condition(status, "Available") == (
        "False",
        "ReplicasNotReady",
        "1 of 2 replicas are ready",
    )
    assert (status["observedGeneration"], status["columns"]["ready"]) == (2, "1/2")


@pytest.mark.parametrize("replicas", ["2", -1, None, 1.5, True, 10**30])
def test_replicas_that_are_no_number_count_as_one(replicas: Any) -> None:
    assert status_for(invalid(replicas=replicas))["columns"]["ready"] == "0/1"


def test_a_spec_made_valid_again_is_no_longer_degraded() -> None:
    worker = make_worker()

    status = status_of(worker, make_pod(worker), old=status_for(invalid()), now=LATER)

    assert condition(status, "Degraded")[0] == "False"
    assert condition(status, "Stalled")[0] == "False"
    assert len(status["conditions"]) == 5


def test_no_text_is_longer_than_the_crd_allows() -> None:
    """The API server would refuse the whole status, again and again."""
    worker = make_worker(replicas=200)
    pod = make_pod(worker, ready=False, failure=40_000 * "x")
    error = SpecInvalid([Problem(f"spec.{n}", "x", 1_000 * "y") for n in range(50)])

    for status in (
        status_of(worker, pod),
        status_of(worker, trouble=Trouble("PodRefused", 60_000 * "z")),
        status_of(worker, make_pod(worker, ready=False, unschedulable=50_000 * "u")),
        status_of(worker, plan=Plan(conflicts=tuple(300 * "n" for _ in range(200)))),
        status_for(invalid(error)),
    ):
        assert max(len(one["message"]) for one in status["conditions"]) <= 32_768
    rank = {"cpus": 50_000 * "9", "numaNode": 0}
    long = json.dumps({**REPORT, "verified": False, "message": 50_000 * "m", "ranks": [rank]})
    for message in (50_000 * "x", long):
        pod = make_pod(
            worker, check_passed=False, check_message=message, restarted=50_000 * "r", notes=("n",)
        )
        (placed,) = status_of(worker, pod)["placements"]
        texts = placed["message"], placed["lastEnd"], *(one["cpus"] for one in placed["ranks"])
        assert max(map(len, texts)) <= MAX_MESSAGE


def test_a_status_fits_into_an_object_whatever_the_replicas_and_notes() -> None:
    worker = make_worker(replicas=10_000)
    notes = tuple(f"{n} {2_000 * 'x'}" for n in range(300))
    report = {"check_passed": True, "check_message": json.dumps(REPORT), "notes": notes}
    pods = [make_pod(worker, replica, **report) for replica in range(1_500)]

    status = status_of(worker, *pods)

    assert len(json.dumps(status)) < 1_000_000
    assert status["columns"] == {"ready": "1500/10000", "verified": "1500/10000"}


def test_pods_that_were_started_again_are_told_with_their_count() -> None:
    worker = make_worker(replicas=2)
    told = {"restarts": 3, "restarted": "container engine ended with exit code 137 (OOMKilled)"}
    report = {"check_passed": True, "check_message": json.dumps(REPORT)}

    serves = status_of(worker, make_pod(worker, 0, **report, **told), make_pod(worker, 1))
    starts = status_of(worker, make_pod(worker, 0, ready=False, **told), make_pod(worker, 1))

    assert (serves["placements"][0]["restarts"], serves["placements"][0]["lastEnd"]) == (
        3,
        told["restarted"],
    )
    assert condition(serves, "Degraded")[0] == "False", "it serves again"
    assert condition(starts, "Degraded") == (
        "True",
        "ContainerRestarted",
        f"pod llama-0: {told['restarted']}",
    )


def test_without_progress_a_worker_is_stalled_and_says_by_what() -> None:
    worker = make_worker()
    pod = make_pod(worker, ready=False, unschedulable="0/1 nodes are available")

    status = status_of(worker, pod, overdue=True)

    assert condition(status, "Stalled") == (
        "True",
        "ProgressDeadlineExceeded",
        "no progress for 600 s: pod llama-0 waits for a node: 0/1 nodes are available",
    )
    assert condition(status, "Ready")[1] == "Unschedulable"


def test_a_worker_that_is_ready_is_never_overdue() -> None:
    worker = make_worker()

    status = status_of(worker, make_pod(worker), overdue=True)

    assert condition(status, "Ready")[0] == "True"


def test_a_step_that_only_deletes_is_no_end_of_work() -> None:
    worker = make_worker()
    surplus = make_pod(worker, 1)

    status = status_of(worker, make_pod(worker), surplus, plan=Plan(delete=(surplus,)))

    assert condition(status, "Reconciling")[:2] == ("True", "Stopping")


def test_a_pod_that_is_lost_is_told_with_its_node() -> None:
    worker = make_worker()
    stuck = make_pod(worker, deleting=True, ready=False)

    status = status_of(worker, stuck, make_pod(worker, uid="p-s"), plan=Plan(lost=(stuck,)))

    assert condition(status, "Degraded") == (
        "True",
        "NodeLost",
        "pod llama-0 has not ended though its grace period is over: node node-a may be lost; "
        "another takes its place",
    )
    assert condition(status, "Available")[0] == "True"


def test_a_paused_rollout_is_told_and_a_paused_worker_as_wanted_is_ready() -> None:
    worker = make_worker(paused=True)

    status = status_of(worker, make_pod(worker, revision="old"))

    assert condition(status, "Reconciling") == (
        "True",
        "Paused",
        "paused, with pods of an older spec: llama-0",
    )
    assert condition(status_of(worker, make_pod(worker)), "Ready")[0] == "True"


def test_the_deadline_is_the_specs() -> None:
    worker = make_worker(progressDeadlineSeconds=30)

    status = status_of(worker, make_pod(worker, ready=False), overdue=True)

    assert condition(status, "Stalled")[2].startswith("no progress for 30 s: ")


def test_pods_that_could_not_be_looked_at_are_told_and_what_was_known_stays() -> None:
    worker = make_worker()
    before = status_of(worker, make_pod(worker))

    status = statuses.failed(Trouble("InternalError", "a fault"), 2, before, LATER)

    kstatus.hold(status, 2)
    assert condition(status, "Degraded") == ("True", "InternalError", "a fault")
    assert condition(status, "Ready")[0] == "Unknown"
    assert condition(status, "Available") == condition(before, "Available")


@given(
    pods=st.lists(
        st.fixed_dictionaries(
            {
                "ready": st.booleans(),
                "terminal": st.booleans(),
                "deleting": st.booleans(),
                "revision": st.sampled_from(["old", ""]),
                "check_passed": st.sampled_from([None, True, False]),
                "check_message": st.sampled_from(["", json.dumps(REPORT), json.dumps(REFUSAL)]),
                "started": st.sampled_from([None, True, False]),
                "unschedulable": st.sampled_from(["", "no room"]),
                "failure": st.sampled_from(["", "container engine: ImagePullBackOff"]),
                "restarted": st.sampled_from(["", "container engine ended with exit code 1"]),
                "owner_uid": st.sampled_from(["w-1", "w-1", "s-1"]),
            }
        ),
        max_size=4,
    ),
    replicas=st.integers(0, 3),
    overdue=st.booleans(),
    trouble=st.sampled_from([None, Trouble("PodRefused", "exceeded quota")]),
    plan=st.sampled_from(
        [Plan(), Plan(create=(Creation("llama-0", 0),)), Plan(conflicts=("llama-0",))]
    ),
    valid=st.booleans(),
)
def test_whatever_is_observed_tools_read_it_as_it_is(
    *,
    pods: list[dict[str, Any]],
    replicas: int,
    overdue: bool,
    trouble: Trouble | None,
    plan: Plan,
    valid: bool,
) -> None:
    worker = make_worker(replicas=replicas)
    made = [
        make_pod(worker, number, **{**one, "revision": one["revision"] or revision(worker)})
        for number, one in enumerate(pods)
    ]
    wanted = target(worker) if valid else invalid(replicas=replicas)

    status_for(wanted, *made, plan=plan, overdue=overdue, trouble=trouble)


UNFIT = "no node can take a replica: node a has 2 of 4 CPU sets of pool cpuset"


def waiting(worker: Worker, replica: int = 0, **changed: Any) -> ObservedPod:
    said = "0/3 nodes are available: 3 Insufficient numalocal.io/cpuset."
    fields = {"node": "", "ready": False, "engine_id": "", "unschedulable": said, **changed}
    return make_pod(worker, replica, **fields)


def test_a_worker_that_no_node_can_take_is_degraded_and_not_given_up() -> None:
    worker = make_worker(replicas=2)
    wanted = replace(target(worker), unfit=UNFIT)

    status = status_for(wanted, waiting(worker))

    assert condition(status, "Degraded") == ("True", "NoNodeFits", UNFIT)
    assert condition(status, "Ready") == ("False", "NoNodeFits", UNFIT)
    assert condition(status, "Reconciling")[:2] == ("True", "Unschedulable")
    assert condition(status, "Stalled")[0] == "False"


def test_before_its_pods_are_made_a_worker_says_that_no_node_can_take_it() -> None:
    worker = make_worker()

    status = status_for(replace(target(worker), unfit=UNFIT))

    assert condition(status, "Degraded") == ("True", "NoNodeFits", UNFIT)


def test_replicas_that_have_their_nodes_are_well_whatever_became_of_other_nodes() -> None:
    worker = make_worker()

    status = status_for(replace(target(worker), unfit=UNFIT), make_pod(worker))

    assert condition(status, "Degraded")[0] == "False"


def test_sets_that_others_hold_now_are_told_beside_the_schedulers_words() -> None:
    worker = make_worker()
    wanted = replace(target(worker), occupied="node a has 1 free of the 2 CPU sets")

    status = status_for(wanted, waiting(worker, unschedulable="0/1 nodes are available."))

    assert condition(status, "Reconciling")[1:] == (
        "Unschedulable",
        "pod llama-0 waits for a node: 0/1 nodes are available. (node a has 1 free of the 2 CPU "
        "sets)",
    )
    assert condition(status, "Degraded")[0] == "False"


LIMITED = json.dumps({**REPORT, "message": "bound"})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param(
            {"node": "", "ready": False, "engine_id": "", "cpu_limit": Fraction(7)},
            "pod llama-0: a CPU limit of 7 throttles the threads of its CPU sets, which have 8 "
            "CPUs: raise resources.limits.cpu of the engine's container to 8 or more, or leave it "
            "out",
            id="before it has a node, by the smallest sets",
        ),
        pytest.param(
            {
                "cpu_limit": Fraction("0.5"),
                "limited_by_range": True,
                "check_passed": True,
                "check_message": LIMITED,
            },
            "pod llama-0: a CPU limit of 0.5, set by a LimitRange of the namespace, throttles the "
            "threads of its CPU sets, which have 4 CPUs: say resources.limits.cpu of the engine's "
            "container in the template, 4 or more, or raise the LimitRange's default",
            id="of a LimitRange, by what the check has seen",
        ),
    ],
)
def test_a_cpu_limit_below_the_sets_is_told_with_the_way_out(
    changed: Mapping[str, Any], said: str
) -> None:
    worker = make_worker(ranks=2)
    wanted = replace(target(worker), cpus_per_set=4)

    status = status_for(wanted, make_pod(worker, **changed))

    assert condition(status, "Degraded") == ("True", "CpuQuota", said)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"cpu_limit": None}, id="none"),
        pytest.param({"cpu_limit": Fraction(8)}, id="all CPUs"),
        pytest.param({"cpu_limit": Fraction(7)}, id="on a node whose sets are not told yet"),
        pytest.param(
            {"cpu_limit": Fraction(4), "check_passed": True, "check_message": LIMITED},
            id="all CPUs that the check has seen",
        ),
    ],
)
def test_a_cpu_limit_that_is_not_known_to_be_below_the_sets_is_no_trouble(
    changed: Mapping[str, Any],
) -> None:
    worker = make_worker(ranks=2)
    wanted = replace(target(worker), cpus_per_set=4)

    assert condition(status_for(wanted, make_pod(worker, **changed)), "Degraded")[0] == "False"


def test_while_nothing_is_known_of_nodes_no_limit_of_a_waiting_pod_is_trouble() -> None:
    worker = make_worker()
    pod = waiting(worker, cpu_limit=Fraction(1, 10), unschedulable="")

    assert condition(status_of(worker, pod), "Degraded")[0] == "False"
