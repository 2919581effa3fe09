from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest

from numalocal.worker.inject import PoolNumbers
from numalocal_operator.observing.observed import ObservedPod
from numalocal_operator.observing.reading import observe as observe_with

from ..builders import NOW, NOW_S, ended_check, make_worker, over, raw_pod, running

LATER = "2026-01-02T03:09:05Z"


def observe(raw: Mapping[str, Any]) -> ObservedPod:
    return observe_with(raw, lambda *_: None)


def observed(**status: Any) -> ObservedPod:
    return observe(raw_pod(make_worker(), **status))


def waiting(reason: str, message: str = "because", name: str = "engine") -> dict[str, Any]:
    return {"name": name, "state": {"waiting": {"reason": reason, "message": message}}}


def test_a_fresh_pod_has_an_owner_a_replica_and_nothing_else_to_tell() -> None:
    pod = observed()

    assert (pod.name, pod.uid, pod.owner_uid, pod.replica) == ("llama-0", "p-0", "w-1", 0)
    assert pod.owner_kind == "CpuInferenceWorker"
    assert (pod.attempt, pod.created_at_s, pod.node) == (0, NOW_S, "")
    assert not any((pod.ready, pod.terminal, pod.deleting, pod.unschedulable, pod.failure))
    assert pod.check_passed is None


def test_a_pod_that_somebody_else_made_is_read_as_well() -> None:
    pod = observe({"metadata": {"name": "llama-0"}})

    assert (pod.owner_uid, pod.replica, pod.revision, pod.created_at_s) == ("", None, "", 0.0)


@pytest.mark.parametrize(
    ("name", "replica"),
    [
        ("llama-0", 0),
        ("llama-17", 17),
        ("llama-3-0a1b2c3d", 3),
        ("llama-01", None),
        ("llama-x", None),
        ("llama", None),
        ("llama-3-xyz", None),
        ("llama-b-0", None),
        ("llama-9999999999", None),
    ],
)
def test_a_replica_is_told_by_the_name_whatever_its_label_says(
    name: str, replica: int | None
) -> None:
    raw = raw_pod(make_worker())
    raw["metadata"]["name"] = name
    raw["metadata"]["labels"]["numalocal.io/replica"] = "5"

    assert observe(raw).replica == replica


@pytest.mark.parametrize("label", [None, "other"])
def test_a_pod_without_the_label_of_its_worker_is_released(label: str | None) -> None:
    raw = raw_pod(make_worker())
    raw["metadata"]["labels"]["numalocal.io/worker"] = label

    pod = observe(raw)

    assert (pod.released, pod.owner_uid, pod.released_from) == (True, "", "w-1")
    assert not observed().released


def test_a_pod_that_was_released_is_known_by_what_only_workers_pods_have() -> None:
    raw = raw_pod(make_worker())
    raw["metadata"] |= {"labels": {}, "ownerReferences": []}

    assert observe(raw).released
    assert not observe({**raw, "metadata": {**raw["metadata"], "annotations": {}}}).released
    injected = {"numalocal.io/injected": "true"}
    assert not observe({**raw, "metadata": {**raw["metadata"], "labels": injected}}).released


@pytest.mark.parametrize(
    ("since", "expected"), [(NOW, False), (LATER, True)], ids=["never was", "was"]
)
def test_a_pod_that_ended_had_been_ready_where_its_readiness_changed_since_its_engine_started(
    since: str, *, expected: bool
) -> None:
    started = "2026-01-02T03:05:00Z"
    engine = {"name": "engine", "state": {"terminated": {"exitCode": 1, "startedAt": started}}}
    ready = {"type": "Ready", "status": "False", "lastTransitionTime": since}

    assert observed(phase="Failed", conditions=[ready], containerStatuses=[engine]).was_ready is (
        expected
    )
    assert not observed(phase="Failed", conditions=[ready]).was_ready


def test_only_the_controller_is_the_owner() -> None:
    raw = raw_pod(make_worker())
    raw["metadata"]["ownerReferences"][0]["controller"] = False

    pod = observe(raw)
    assert (pod.owner_uid, pod.owner_kind) == ("", "")


def test_a_pod_that_is_ready_and_bound_to_a_node() -> None:
    raw = raw_pod(make_worker(), phase="Running", conditions=[{"type": "Ready", "status": "True"}])
    raw["spec"]["nodeName"] = "node-a"

    pod = observe(raw)

    assert pod.ready
    assert pod.node == "node-a"


def test_a_terminal_pod_is_never_ready() -> None:
    ready = [{"type": "Ready", "status": "True"}]

    assert not observed(phase="Failed", conditions=ready).ready


def test_a_pod_that_ends_is_not_counted_on_though_it_still_answers() -> None:
    raw = raw_pod(make_worker(), conditions=[{"type": "Ready", "status": "True"}])
    raw["metadata"]["deletionTimestamp"] = LATER

    pod = observe(raw)

    assert pod.deleting
    assert not pod.ready


def test_an_admission_failure_is_told_with_reason_and_message() -> None:
    pod = observed(
        phase="Failed", reason="UnexpectedAdmissionError", message="no healthy devices present"
    )

    assert pod.terminal
    assert pod.failure == "UnexpectedAdmissionError: no healthy devices present"
    assert pod.ended_at_s == NOW_S


def test_a_pod_ended_when_its_last_container_did() -> None:
    ended = {"terminated": {"exitCode": 1, "finishedAt": LATER}}
    without_time = {"terminated": {"exitCode": 1, "finishedAt": None}}

    statuses = [{"name": "engine", "state": ended}, {"name": "proxy", "state": without_time}]
    pod = observed(phase="Succeeded", containerStatuses=statuses)

    assert pod.terminal
    assert pod.ended_at_s == NOW_S + 300
    assert pod.failure == (
        "Succeeded: no container of it runs any more; container engine ended with exit code 1; "
        "container proxy ended with exit code 1"
    )


def test_a_pod_without_a_node_tells_what_the_scheduler_says() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes are available: 1 Insufficient numalocal.io/cpuset.",
    }

    assert observed(conditions=[condition]).unschedulable == condition["message"]
    assert observed(conditions=[{**condition, "status": "True"}]).unschedulable == ""


@pytest.mark.parametrize("kind", ["initContainerStatuses", "containerStatuses"])
def test_a_container_that_cannot_start_is_told(kind: str) -> None:
    pod = observed(**{kind: [waiting("ImagePullBackOff")]})

    assert pod.failure == "container engine: ImagePullBackOff: because"


def ended(exit_code: int = 137, **fields: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": exit_code, "reason": "Error", **fields}}


OOM = {"name": "engine", "lastState": ended(reason="OOMKilled"), "restartCount": 4}


@pytest.mark.parametrize(
    ("container", "sentence"),
    [
        pytest.param(
            {**OOM, **waiting("CrashLoopBackOff", "back-off 40s")},
            "container engine: CrashLoopBackOff: back-off 40s; container engine ended with exit "
            "code 137 (OOMKilled), 4 restarts",
            id="waits to start again",
        ),
        pytest.param(
            {"name": "engine", "state": ended(1, message="no\x1b[31m model\n")},
            "container engine ended with exit code 1: no\\x1b[31m model",
            id="has just ended, and its last words",
        ),
        pytest.param({"name": "engine", "state": ended(0)}, "", id="ended well"),
        pytest.param({"name": "numalocal-check", "state": ended(1)}, "", id="the check"),
    ],
)
def test_how_a_container_ended_is_told(container: dict[str, Any], sentence: str) -> None:
    assert observed(containerStatuses=[container]).failure == sentence


def test_last_words_are_clipped() -> None:
    container = {"name": "engine", "state": ended(1, message=100_000 * "x")}

    assert len(observed(containerStatuses=[container]).failure) < 400


def test_a_container_that_runs_again_has_its_last_end_told() -> None:
    pod = observed(containerStatuses=[{**running(), **OOM}])

    assert (pod.failure, pod.restarts) == ("", 4)
    assert pod.restarted == (
        "container engine ended with exit code 137 (OOMKilled), 4 restarts, and runs again"
    )


@pytest.mark.parametrize("count", [-1, "4", None, 2.5, True])
def test_a_count_of_restarts_that_is_none_is_none(count: Any) -> None:
    assert observed(containerStatuses=[{**running(), "restartCount": count}]).restarts == 0


def test_an_evicted_pod_tells_how_its_containers_ended() -> None:
    pod = observed(
        phase="Failed",
        reason="Evicted",
        message="low on memory",
        containerStatuses=[{"name": "engine", "state": ended(reason="OOMKilled")}],
    )

    assert pod.failure == (
        "Evicted: low on memory; container engine ended with exit code 137 (OOMKilled)"
    )


def test_since_when_a_pod_is_ready() -> None:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": LATER}

    assert observed(conditions=[ready]).ready_at_s == NOW_S + 300
    assert observed(conditions=[{**ready, "status": "False"}]).ready_at_s == 0


@pytest.mark.parametrize("reason", ["PodInitializing", "ContainerCreating"])
def test_starting_up_is_no_failure(reason: str) -> None:
    assert observed(containerStatuses=[waiting(reason, "")]).failure == ""


@pytest.mark.parametrize(
    ("status", "passed", "message"),
    [
        pytest.param(ended_check("fine"), True, "fine", id="passed"),
        pytest.param(ended_check("too little", 1), False, "too little", id="refused"),
        pytest.param(
            {
                "name": "numalocal-check",
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 1, "message": "too little"}},
            },
            False,
            "too little",
            id="refused, and waits to try again",
        ),
        pytest.param(
            {"name": "numalocal-check", "state": {"running": {}}}, None, "", id="still running"
        ),
        pytest.param(
            {**ended_check("theirs", 1), "name": "download"}, None, "", id="another container"
        ),
        pytest.param(
            {"name": "numalocal-check", "state": {"terminated": {"exitCode": 137}}},
            False,
            "",
            id="killed without a word",
        ),
    ],
)
def test_the_check_is_judged_by_how_it_last_ended(
    *, status: Mapping[str, Any], passed: bool | None, message: str
) -> None:
    pod = observed(initContainerStatuses=[status])

    assert (pod.check_passed, pod.check_message) == (passed, message)


def test_the_node_is_asked_of_the_engines_container_as_it_runs_now() -> None:
    asked: list[tuple[str, str, str]] = []

    def started(node: str, uid: str, container_id: str) -> bool | None:
        asked.append((node, uid, container_id))
        return True

    raw = raw_pod(make_worker(), containerStatuses=[running("s-1", "sidecar"), running("c-7")])
    raw["spec"]["nodeName"] = "node-a"

    pod = observe_with(raw, started)

    assert (pod.engine, pod.engine_id, pod.started) == ("engine", "c-7", True)
    assert asked == [("node-a", "p-0", "c-7")]


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"containerStatuses": None},
        {"containerStatuses": [waiting("CrashLoopBackOff")]},
        {"containerStatuses": [{**running(), "state": {"terminated": {"exitCode": 1}}}]},
        {"containerStatuses": [{**running(), "containerID": None}]},
        {"containerStatuses": [running(name="sidecar")]},
    ],
)
def test_an_engine_that_does_not_run_has_not_started(status: Mapping[str, Any]) -> None:
    pod = observe_with(raw_pod(make_worker(), **status), lambda *_: True)

    assert (pod.engine_id, pod.started) == ("", None)


RULES = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [3]}}]


@pytest.mark.parametrize(
    ("spec", "engine", "exit_code", "phase", "asked"),
    [
        ({}, {}, 0, "Running", ""),
        ({"restartPolicy": "Always"}, {}, 1, "Running", ""),
        ({"restartPolicy": "Always"}, {}, 1, "Failed", "c-7"),  # evicted, or its time is over
        ({"restartPolicy": "Never"}, {}, 0, "Running", "c-7"),
        ({"restartPolicy": "Never"}, {}, 1, "Running", "c-7"),
        ({"restartPolicy": "OnFailure"}, {}, 0, "Running", "c-7"),
        ({"restartPolicy": "OnFailure"}, {}, 1, "Running", ""),
        ({"restartPolicy": "OnFailure"}, {}, 1, "Failed", "c-7"),
        ({"restartPolicy": "Always"}, {"restartPolicy": "Never"}, 1, "Running", "c-7"),
        ({"restartPolicy": "Never"}, {"restartPolicy": "Always"}, 0, "Running", ""),
        ({"restartPolicy": "Never"}, {"restartPolicyRules": RULES}, 1, "Running", ""),
        ({"restartPolicy": "Never"}, {"restartPolicyRules": RULES}, 1, "Failed", "c-7"),
    ],
)
def test_an_engine_that_is_not_started_again_is_asked_after_still(
    spec: dict[str, Any], engine: dict[str, Any], exit_code: int, phase: str, asked: str
) -> None:
    raw = raw_pod(make_worker(), phase=phase, containerStatuses=[over("c-7", exit_code)])
    (container,) = raw["spec"]["containers"]
    raw["spec"] |= {**spec, "containers": [{**container, **engine}], "nodeName": "node-a"}

    pod = observe_with(raw, lambda *of: of == ("node-a", "p-0", "c-7"))

    assert (pod.engine_id, pod.engine_ended) == ("", asked)
    assert pod.started is (True if asked else None)


def limited(annotations: Any = None, whole: Any = None, **limits: Any) -> ObservedPod:
    """Observe a pod with the limits of its engine, and of the whole pod."""
    pod = raw_pod(make_worker())
    pod["spec"]["containers"][0]["resources"]["limits"] |= limits
    pod["metadata"]["annotations"] |= annotations or {}
    pod["spec"] |= {"resources": {"limits": whole}} if whole else {}
    return observe(pod)


@pytest.mark.parametrize(
    ("limits", "whole", "expected"),
    [
        ({}, None, None),
        ({"cpu": "8"}, None, Fraction(8)),
        ({"cpu": "500m"}, None, Fraction(1, 2)),
        ({}, {"cpu": 2}, Fraction(2)),
        ({"cpu": "8"}, {"cpu": "2"}, Fraction(2)),
        ({"cpu": "1"}, {"cpu": "2"}, Fraction(1)),
    ],
)
def test_the_quota_of_an_engine_is_its_own_limit_or_the_whole_pods(
    limits: Any, whole: Any, expected: Fraction | None
) -> None:
    assert limited(whole=whole, **limits).cpu_limit == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("LimitRanger plugin set: cpu limit for container engine", True),
        (
            "LimitRanger plugin set: cpu, memory request for container engine; cpu limit for "
            "container engine",
            True,
        ),
        ("LimitRanger plugin set: cpu, memory limit for container engine", True),
        ("LimitRanger plugin set: memory limit for container engine", False),
        ("LimitRanger plugin set: cpu request for container engine", False),
        ("LimitRanger plugin set: cpu limit for container engine-b", False),
        ("anything", False),
        ("", False),
    ],
)
def test_a_limit_that_a_limit_range_has_set_is_known(said: str, expected: bool) -> None:  # noqa: FBT001
    pod = limited({"kubernetes.io/limit-ranger": said}, cpu="1")

    assert pod.limited_by_range == expected


def test_by_what_a_pod_was_made_is_read_from_it() -> None:
    assert observed().sized_by == PoolNumbers(cpus_per_set=4)
    assert limited({"numalocal.io/numbers": "mine"}).sized_by is None


def test_what_admission_says_of_nodes_is_kept_of_a_pod_that_has_none() -> None:
    raw = raw_pod(make_worker())
    said = {"nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}]}
    raw["spec"] |= {**said, "runtimeClassName": "kata"}

    assert observe(raw).admitted == said
    raw["spec"]["nodeName"] = "node-a"
    assert observe(raw).admitted is None
