import json
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from numalocal.worker.spec import DEADLINE_S
from numalocal_operator.__main__ import RECURSION_LIMIT
from numalocal_operator.applying import TAKEN_RETRY_S
from numalocal_operator.observing.refusals import REFUSED_S
from numalocal_operator.reconcile import reconcile

from .builders import ended_check, owned, raw_worker, running, topology
from .fake_api import EVENTS, PODS, REVISIONS, WORKERS, FakeApi
from .informed import LLAMA, START, Informed

READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


def become(api: FakeApi, name: str, **status: Any) -> None:
    """Let a pod have a status, as the kubelet would write it."""
    pod = api.objects[f"{PODS}/{name}"]
    pod["status"] = status
    pod["metadata"]["creationTimestamp"] = START.isoformat()


def status_of(api: FakeApi) -> Mapping[str, Any]:
    status: Mapping[str, Any] = api.objects[f"{WORKERS}/llama"]["status"]
    return status


def degraded(api: FakeApi) -> tuple[str, str, str]:
    (one,) = [one for one in status_of(api)["conditions"] if one["type"] == "Degraded"]
    return one["status"], one["reason"], one["message"]


def told(api: FakeApi) -> list[tuple[str, str, str]]:
    events = [api.objects[f"{EVENTS}/{name}"] for name in api.names(EVENTS)]
    return [(one["type"], one["reason"], one["message"]) for one in events]


def serves(api: FakeApi, container_id: str) -> str:
    """Let the pod serve after its check has passed; give its uid."""
    report = {"verified": True, "cpus": "2-3", "mems": "0", "message": "bound"}
    report["ranks"] = [{"cpus": "2-3", "numaNode": 0}]
    checks = [ended_check(json.dumps(report))]
    engine = [running(container_id)]
    become(api, "llama-0", **READY, initContainerStatuses=checks, containerStatuses=engine)
    pod = api.objects[f"{PODS}/llama-0"]
    pod["spec"]["nodeName"] = "node-a"
    return str(pod["metadata"]["uid"])


def test_a_new_worker_costs_its_pods_one_event_one_revision_and_one_status(
    api: FakeApi, turn: Informed
) -> None:
    api.put(WORKERS, raw_worker(replicas=2))

    assert turn() == DEADLINE_S

    assert api.names(PODS) == ["llama-0", "llama-1"]
    assert status_of(api)["columns"] == {"ready": "0/2", "verified": "0/2"}
    assert status_of(api)["replicas"] == 2
    assert told(api) == [("Normal", "PodCreated", "created pods llama-0, llama-1")]
    assert sorted(api.requests) == [
        ("PATCH", f"{WORKERS}/llama/status"),
        ("POST", EVENTS),
        ("POST", PODS),
        ("POST", PODS),
        ("POST", REVISIONS),
    ]
    api.requests.clear()
    turn()
    assert api.requests == [], "events of what was written bring no news"


def test_a_worker_that_is_as_wanted_costs_no_write(api: FakeApi, turn: Informed) -> None:
    api.put(WORKERS, raw_worker())
    turn()
    become(api, "llama-0", **READY)
    turn()
    api.requests.clear()

    assert turn(600) is None

    assert api.writes() == []
    assert status_of(api)["readyReplicas"] == 1


def test_a_worker_that_is_going_is_left_to_the_garbage_collector(
    api: FakeApi, turn: Informed
) -> None:
    raw = raw_worker()
    raw["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    api.put(WORKERS, raw)

    assert turn() is None

    assert api.writes() == []


def test_a_worker_that_is_gone_is_no_work(api: FakeApi, turn: Informed) -> None:
    api.refusals["GET", f"{WORKERS}/llama"] = (404, "gone")

    assert turn() is None


def test_the_cpu_request_comes_from_the_nodes(api: FakeApi, turn: Informed) -> None:
    pool = {"name": "cpuset", "sets": 2, "cpusPerSet": 28}
    turn.topologies.listed([topology(pools=[pool])])
    api.put(WORKERS, raw_worker(ranks=2))

    turn()

    (container,) = api.objects[f"{PODS}/llama-0"]["spec"]["containers"]
    assert container["resources"]["requests"]["cpu"] == "56"


def test_an_invalid_spec_is_told_and_touches_no_pod(api: FakeApi, turn: Informed) -> None:
    api.put(WORKERS, raw_worker())
    turn()
    api.objects[f"{WORKERS}/llama"]["spec"] |= {"ranks": 0, "placement": "Pack"}
    api.objects[f"{WORKERS}/llama"]["metadata"]["generation"] = 2

    turn()

    assert degraded(api) == (
        "True",
        "InvalidSpec",
        "spec.placement: 'Pack' is the pool's to say, as pools[].placement: the kubelet asks for "
        "sets of a pool without naming the worker; "
        "spec.ranks: 0 must be a whole number from 1 to 64",
    )
    assert told(api)[-1][:2] == ("Warning", "InvalidSpec")
    assert api.names(PODS) == ["llama-0"]
    assert "DELETE" not in {method for method, _ in api.requests}


@pytest.mark.parametrize(
    ("container", "sentence"),
    [
        (
            {"name": "engine", "args": ["--ctx-size", 4096]},
            'spec.template.spec.containers[0].args[1]: 4096 must be text such as "4096"',
        ),
        (
            {"name": "engine", "args": "-m /m.gguf"},
            "spec.template.spec.containers[0].args: '-m /m.gguf' must be a list such as "
            '["-m", "/m.gguf"]',
        ),
        (
            {"name": "engine", "env": {"A": "b"}},
            "spec.template.spec.containers[0].env: {'A': 'b'} must be a list such as "
            "[{name: NAME, value: text}]",
        ),
    ],
    ids=["number", "text for a list", "mapping for a list"],
)
def test_a_template_that_no_pod_can_be_made_of_is_told_once(
    api: FakeApi, turn: Informed, container: dict[str, Any], sentence: str
) -> None:
    """The CRD keeps templates as they are, so the operator is the first to read them."""
    api.put(WORKERS, raw_worker(container))

    assert turn() is None, "only another spec can help"

    assert degraded(api) == ("True", "InvalidSpec", sentence)
    assert told(api) == [("Warning", "InvalidSpec", sentence)]
    assert api.names(PODS) == []
    api.requests.clear()
    assert turn(600) is None
    assert api.writes() == []


@pytest.fixture
def as_deep_as_the_process() -> Iterator[None]:
    """Let JSON be as deep as the operator's process does."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(RECURSION_LIMIT)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("as_deep_as_the_process")
def test_a_template_deeper_than_python_takes_by_itself_is_told(
    api: FakeApi, turn: Informed
) -> None:
    deep: dict[str, Any] = {}
    for _ in range(1_200):
        deep = {"a": deep}
    api.put(WORKERS, raw_worker({"name": "engine", "lifecycle": deep}))

    assert turn() is None

    assert degraded(api)[1:] == (
        "InvalidSpec",
        "spec: {'template': {'spec': {...}}} must not be nested more than 100 levels deep",
    )


def test_what_nobody_foresaw_is_a_condition_until_it_is_over(api: FakeApi, turn: Informed) -> None:
    api.put(WORKERS, raw_worker())
    turn()
    api.objects[f"{PODS}/llama-0"]["metadata"]["creationTimestamp"] = "yesterday"

    for _ in range(2):
        with pytest.raises(ValueError, match="yesterday"):
            turn()

    assert degraded(api)[:2] == ("True", "InternalError")
    assert "a fault of the operator (ValueError)" in degraded(api)[2]
    assert [reason for _, reason, _ in told(api)] == ["PodCreated", "InternalError"]
    assert [method for method, _ in api.writes()].count("PATCH") == 2, "once for each status"
    api.objects[f"{PODS}/llama-0"]["metadata"]["creationTimestamp"] = START.isoformat()
    turn()
    assert degraded(api)[0] == "False"


@pytest.mark.parametrize("code", [500, 503, 504, 429])
def test_a_pod_that_cannot_be_created_now_is_told_and_tried_again_by_a_back_off(
    api: FakeApi, turn: Informed, code: int
) -> None:
    api.put(WORKERS, raw_worker(replicas=200))
    api.refusals["POST", PODS] = (code, "failed calling webhook: connection refused")

    for _ in range(2):
        with pytest.raises(ApiException):
            turn()

    message = "pod llama-0 (and 199 more): failed calling webhook: connection refused"
    assert degraded(api) == ("True", "ApiError", message)
    assert status_of(api)["observedGeneration"] == 1
    assert told(api) == [("Warning", "ApiError", message)]
    assert [path for method, path in api.requests if method == "POST"].count(PODS) == 2
    del api.refusals["POST", PODS]
    turn()
    assert degraded(api)[0] == "False"


def test_a_pod_that_may_not_be_deleted_is_told(api: FakeApi, turn: Informed) -> None:
    api.put(WORKERS, raw_worker(replicas=2))
    turn()
    api.objects[f"{WORKERS}/llama"]["spec"]["replicas"] = 1
    api.refusals["DELETE", f"{PODS}/llama-1"] = (403, "forbidden by a policy")

    with pytest.raises(ApiException):
        turn()

    message = "pod llama-1 cannot be deleted: forbidden by a policy"
    assert degraded(api) == ("True", "ApiError", message)
    assert status_of(api)["replicas"] == 2


@pytest.mark.parametrize(("code", "told_of_it"), [(403, True), (503, False)])
def test_a_pod_in_the_way_that_cannot_be_read_is_told_unless_it_is_of_the_moment(
    api: FakeApi, turn: Informed, code: int, *, told_of_it: bool
) -> None:
    """A busy API server needs no writes beside."""
    api.put(PODS, {"metadata": {"name": "llama-0", "uid": "theirs"}})
    api.put(WORKERS, raw_worker())
    api.refusals["GET", f"{PODS}/llama-0"] = (code, "cannot get pods")

    with pytest.raises(ApiException):
        turn()

    assert ("status" in api.objects[f"{WORKERS}/llama"]) is told_of_it
    if told_of_it:
        assert degraded(api) == ("True", "ApiError", "cannot get pods")


def test_a_pod_in_the_way_is_read_once_and_its_name_tried_again_after_a_while(
    api: FakeApi, turn: Informed
) -> None:
    path = api.put(PODS, {"metadata": {"name": "llama-0", "uid": "theirs"}})
    api.put(WORKERS, raw_worker())
    assert turn() == 30
    api.requests.clear()
    for _ in range(3):
        turn()
    assert api.requests == []
    del api.objects[path]
    turn.clock_s += 30

    turn()

    assert degraded(api)[0] == "False"
    assert api.objects[path]["metadata"]["uid"] != "theirs"


def test_a_pod_whose_creation_had_no_answer_gets_no_sister_of_another_name(
    api: FakeApi, turn: Informed
) -> None:
    """It was to take the place of one that is lost, which has gone meanwhile."""
    api.put(WORKERS, raw_worker())
    turn()
    lost = f"{PODS}/llama-0"
    api.objects[lost]["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    turn.hear()
    api.loses = lambda: True
    with pytest.raises(HTTPError):
        reconcile(turn.rounds, LLAMA, now=START + timedelta(seconds=600))
    api.loses = lambda: False
    (first, successor) = api.names(PODS)
    turn.store.drop_pod(api.objects[lost]["metadata"]["uid"])
    del api.objects[lost]

    reconcile(turn.rounds, LLAMA, now=START + timedelta(seconds=601))

    assert (first, api.names(PODS)) == ("llama-0", [successor])
    assert turn.store.doubts(LLAMA) == frozenset()


def test_a_name_that_is_free_again_before_anybody_looks_is_tried_again_at_once(
    api: FakeApi, turn: Informed
) -> None:
    path = api.put(PODS, {"metadata": {"name": "llama-0", "uid": "theirs"}})
    api.put(WORKERS, raw_worker())
    api.refusals["GET", path] = (404, "gone")

    assert turn() == TAKEN_RETRY_S

    assert api.requests.count(("POST", PODS)) == 8, "not for ever"


def test_a_worker_without_progress_is_stalled_at_its_deadline_without_an_event(
    api: FakeApi, turn: Informed
) -> None:
    def stalled() -> str:
        (one,) = [one for one in status_of(api)["conditions"] if one["type"] == "Stalled"]
        return str(one["status"])

    api.put(WORKERS, raw_worker())
    turn()
    become(api, "llama-0", phase="Pending")

    assert turn(250) == 350
    assert stalled() == "False"
    assert turn(600) is None
    assert stalled() == "True"
    become(api, "llama-0", **READY)
    assert turn(700) is None
    assert stalled() == "False"


def test_pods_of_an_invalid_spec_are_counted_as_they_are(api: FakeApi, turn: Informed) -> None:
    api.put(WORKERS, raw_worker())
    turn()
    become(api, "llama-0", **READY)
    turn()
    api.objects[f"{WORKERS}/llama"]["spec"]["ranks"] = 0
    api.objects[f"{WORKERS}/llama"]["metadata"]["generation"] = 2
    turn()
    assert status_of(api)["columns"]["ready"] == "1/1"

    become(api, "llama-0", phase="Failed", reason="Evicted", message="disk")
    turn()

    assert status_of(api)["columns"]["ready"] == "0/1"
    assert degraded(api)[1] == "InvalidSpec"


def test_a_refusal_of_the_check_reaches_status_and_events_once(
    api: FakeApi, turn: Informed
) -> None:
    report = {"verified": False, "cpus": "2-3", "mems": "0", "ranks": [], "message": "too little"}
    api.put(WORKERS, raw_worker())
    turn()
    for free in ("1 GiB", "2 GiB"):
        message = json.dumps({**report, "message": f"only {free}"})
        become(api, "llama-0", initContainerStatuses=[ended_check(message, 1)])
        turn()

    assert degraded(api) == ("True", "CheckRefused", "pod llama-0: only 2 GiB")
    assert told(api)[1:] == [("Warning", "CheckRefused", "pod llama-0: only 1 GiB")]
    assert api.names(PODS) == ["llama-0"], "the kubelet tries again, in its own time"


def test_a_pod_that_the_node_refused_is_replaced_after_its_back_off(
    api: FakeApi, turn: Informed
) -> None:
    failure = {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "no devices"}
    api.put(WORKERS, raw_worker())
    turn()
    become(api, "llama-0", **failure)

    assert turn(4) == 6
    assert degraded(api)[1:] == (
        "ReplicaFailed",
        "pod llama-0: UnexpectedAdmissionError: no devices",
    )
    assert turn(10) == DEADLINE_S - 10

    metadata = api.objects[f"{PODS}/llama-0"]["metadata"]
    assert metadata["annotations"]["numalocal.io/attempt"] == "1"
    sentence = "replaced pod llama-0, attempt 1: UnexpectedAdmissionError: no devices"
    assert told(api)[-1] == ("Normal", "PodReplaced", sentence)

    become(api, "llama-0", **failure)
    assert turn(10) == 10, "20 s after the second pod's creation at 0 s"


def test_scaling_down_deletes_and_the_end_of_the_pod_is_awaited(
    api: FakeApi, turn: Informed
) -> None:
    api.put(WORKERS, raw_worker(replicas=2))
    turn()
    api.objects[f"{WORKERS}/llama"]["spec"]["replicas"] = 1

    for _ in range(2):
        turn()

    deletions = [path for method, path in api.requests if method == "DELETE" and PODS in path]
    assert deletions == [f"{PODS}/llama-1"]
    assert told(api)[-1] == ("Normal", "PodDeleted", "deleted pod llama-1")


def renamed(pod: Any) -> None:
    if pod.get("kind") == "Pod":
        pod["metadata"]["name"] = "theirs"


def without(label: str) -> Callable[[Any], None]:
    return lambda made: made["metadata"].get("labels", {}).pop(label, None)


@pytest.mark.parametrize(
    ("admission", "what"),
    [
        (renamed, "its name"),
        (without("numalocal.io/worker"), "its label numalocal.io/worker"),
        (without("numalocal.io/bound"), "its label numalocal.io/bound"),
    ],
)
def test_a_pod_that_admission_makes_unknown_is_deleted_and_made_again_in_a_minute(
    api: FakeApi, turn: Informed, admission: Callable[[Any], None], what: str
) -> None:
    api.put(WORKERS, raw_worker(replicas=2))
    api.admission = admission

    assert turn() == turn() == REFUSED_S

    message = f"pod llama-0 (and 1 more): admission changes {what}; exempt a worker's pods from it"
    assert degraded(api) == ("True", "PodChanged", message)
    assert api.requests.count(("POST", PODS)) == 1
    assert api.names(PODS) == []
    turn.clock_s += REFUSED_S
    turn()
    assert api.requests.count(("POST", PODS)) == 2


def test_a_quota_is_told_and_tried_again(api: FakeApi, turn: Informed) -> None:
    api.put(WORKERS, raw_worker(replicas=2))
    api.refusals["POST", PODS] = (403, "exceeded quota: team")

    assert turn() == REFUSED_S

    told_once = "pod llama-0 (and 1 more): exceeded quota: team"
    assert degraded(api) == ("True", "PodRefused", told_once)
    del api.refusals["POST", PODS]
    turn()
    assert degraded(api)[0] == "False"


def test_somebody_elses_pod_is_not_touched(api: FakeApi, turn: Informed) -> None:
    stranger = {"metadata": {"name": "llama-0", "uid": "theirs"}}
    path = api.put(PODS, stranger)
    api.put(WORKERS, raw_worker())

    assert turn() is not None

    assert api.objects[path] == stranger
    assert degraded(api)[1] == "NameTaken"


def test_a_conflict_is_tried_again_soon_as_no_event_may_come(api: FakeApi, turn: Informed) -> None:
    api.put(WORKERS, raw_worker(replicas=2))
    api.refusals["POST", PODS] = (409, "the quota has been modified; please try again")

    assert turn() == TAKEN_RETRY_S

    assert told(api) == []
    assert degraded(api)[0] == "False"
    del api.refusals["POST", PODS]
    turn()
    assert api.names(PODS) == ["llama-0", "llama-1"]


def test_the_pods_of_a_deleted_worker_of_the_same_name_are_no_alarm(
    api: FakeApi, turn: Informed
) -> None:
    """As after `kubectl delete` and `kubectl apply`, before the garbage collector comes."""
    api.put(WORKERS, raw_worker())
    turn()
    raw = raw_worker()
    raw["metadata"]["uid"] = "w-2"
    api.put(WORKERS, raw)

    assert turn() is not None
    assert degraded(api)[0] == "False"

    del api.objects[f"{PODS}/llama-0"]
    turn()
    (owner,) = api.objects[f"{PODS}/llama-0"]["metadata"]["ownerReferences"]
    assert owner["uid"] == "w-2"


def test_a_replica_is_verified_by_its_node_and_again_after_every_restart(
    api: FakeApi, turn: Informed
) -> None:
    topologies = turn.topologies
    api.put(WORKERS, raw_worker())
    turn()

    def verified() -> bool:
        turn()
        return bool(status_of(api)["placements"][0]["verified"])

    uid = serves(api, "c-1")
    assert not verified(), "the pod's event came first"
    topologies.observed(topology(sets=[owned(uid, "c-1")]))
    assert verified()
    serves(api, "c-2")
    assert not verified(), "the engine started anew, and its node has not said how"
    topologies.observed(topology(sets=[owned(uid, "c-2")]))
    assert verified()
    assert degraded(api)[0] == "False"


def test_a_replica_that_started_unbound_is_replaced_with_its_reason(
    api: FakeApi, turn: Informed
) -> None:
    topologies = turn.topologies
    api.put(WORKERS, raw_worker())
    turn()
    uid = serves(api, "c-1")
    topologies.observed(topology(sets=[owned(uid, "c-1", "Unbound")]))

    turn()

    assert "deletionTimestamp" in api.objects[f"{PODS}/llama-0"]["metadata"]
    assert degraded(api)[:2] == ("True", "StartedUnbound")
    (kind, reason, message), warning = told(api)[1:]
    assert (kind, reason) == ("Normal", "PodDeleted")
    assert message.startswith("deleted pod llama-0: container engine was created while the agent")
    assert warning[:2] == ("Warning", "StartedUnbound")
    del api.objects[f"{PODS}/llama-0"]
    turn()
    assert api.objects[f"{PODS}/llama-0"]["metadata"]["uid"] != uid
    assert degraded(api)[0] == "False"


def test_a_replica_on_a_node_that_died_has_a_successor_after_its_grace(
    api: FakeApi, turn: Informed
) -> None:
    api.put(WORKERS, raw_worker())
    turn()
    become(api, "llama-0", **READY)
    turn()
    api.objects[f"{PODS}/llama-0"]["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:35Z"

    assert turn(10) == 50, "30 s of grace, and 30 s more"
    assert api.names(PODS) == ["llama-0"]
    turn(60)

    _, successor = api.names(PODS)
    assert successor.startswith("llama-0-")
    assert degraded(api)[:2] == ("True", "NodeLost")
    become(api, successor, **READY)
    turn(70)
    assert status_of(api)["columns"]["ready"] == "1/1"
    del api.objects[f"{PODS}/llama-0"]
    turn(80)
    assert api.names(PODS) == [successor]
    assert degraded(api)[0] == "False"


def test_an_edited_label_of_the_replica_changes_nothing(api: FakeApi, turn: Informed) -> None:
    api.put(WORKERS, raw_worker())
    turn()
    become(api, "llama-0", **READY)
    turn()
    api.objects[f"{PODS}/llama-0"]["metadata"]["labels"]["numalocal.io/replica"] = "7"
    api.requests.clear()

    assert turn() is None
    assert api.writes() == []


def test_a_pod_whose_labels_are_removed_is_kept_and_its_replica_made_anew(
    api: FakeApi, turn: Informed
) -> None:
    """As one does to look into a pod that misbehaves."""
    api.put(WORKERS, raw_worker())
    turn()
    become(api, "llama-0", **READY)
    api.objects[f"{PODS}/llama-0"]["metadata"]["labels"] = {}

    turn()

    assert len(api.names(PODS)) == 2
    assert "DELETE" not in {method for method, _ in api.requests}
    assert api.objects[f"{PODS}/llama-0"]["metadata"]["ownerReferences"] == []
    assert status_of(api)["replicas"] == 1
    api.requests.clear()
    turn()
    turn()
    assert len(api.names(PODS)) == 2
    assert ("PATCH", f"{PODS}/llama-0") not in api.requests


def test_pods_that_were_orphaned_are_adopted_by_the_next_worker_of_their_name(
    api: FakeApi, turn: Informed
) -> None:
    api.put(WORKERS, raw_worker())
    turn()
    become(api, "llama-0", **READY)
    api.objects[f"{PODS}/llama-0"]["metadata"]["ownerReferences"] = []
    raw = raw_worker()
    raw["metadata"]["uid"] = "w-2"
    api.put(WORKERS, raw)

    turn()
    turn()

    (owner,) = api.objects[f"{PODS}/llama-0"]["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == ("w-2", True)
    assert status_of(api)["columns"]["ready"] == "1/1"
    assert ("Normal", "PodAdopted", "adopted pod llama-0") in told(api)


def test_pods_of_an_invalid_spec_are_replaced_as_they_were_asked_last(
    api: FakeApi, turn: Informed
) -> None:
    api.put(WORKERS, raw_worker(replicas=2))
    turn()
    for name in ("llama-0", "llama-1"):
        become(api, name, **READY)
    raw = api.objects[f"{WORKERS}/llama"]
    raw["spec"] |= {"replicas": 5, "ranks": 0, "pool": "other"}
    raw["metadata"]["generation"] = 2
    become(api, "llama-1", phase="Failed", reason="Evicted", message="disk")

    turn(10)

    pods = [api.objects[f"{PODS}/{name}"] for name in api.names(PODS)]
    assert [one["metadata"]["name"] for one in pods] == ["llama-0", "llama-1"]
    assert pods[1]["metadata"]["annotations"]["numalocal.io/attempt"] == "1"
    assert "numalocal.io/cpuset" in pods[1]["spec"]["containers"][0]["resources"]["limits"]
    assert status_of(api)["columns"]["ready"] == "1/2"
    assert status_of(api)["observedGeneration"] == 2
    assert degraded(api)[1] == "InvalidSpec"
    become(api, "llama-1", **READY)
    turn(20)
    assert status_of(api)["columns"]["ready"] == "2/2"
    assert degraded(api)[1] == "InvalidSpec"


def test_what_a_worker_asked_is_none_of_anothers_of_its_name(api: FakeApi, turn: Informed) -> None:
    api.put(WORKERS, raw_worker())
    turn()
    invalid = raw_worker(ranks=0)
    invalid["metadata"]["uid"] = "w-2"
    api.put(WORKERS, invalid)
    del api.objects[f"{PODS}/llama-0"]

    turn()
    assert api.names(PODS) == []


def restarted(turn: Informed) -> Informed:
    """Give an operator that has just started, and knows nothing yet."""
    return Informed(turn.api, turn.cluster)


def test_pods_of_an_invalid_spec_are_replaced_after_a_restart_by_what_was_kept(
    api: FakeApi, turn: Informed
) -> None:
    path = api.put(WORKERS, raw_worker(replicas=2))
    turn()
    api.objects[path]["spec"] |= {"replicas": 5, "ranks": 0}
    api.objects[path]["metadata"]["generation"] = 2
    turn = restarted(turn)
    turn()
    assert api.requests.count(("GET", f"{REVISIONS}/{status_of(api)['currentRevision']}")) == 1
    del api.objects[f"{PODS}/llama-1"]

    turn()

    assert api.names(PODS) == ["llama-0", "llama-1"]
    assert degraded(api)[1] == "InvalidSpec"
    assert sum(method == "GET" for method, _ in api.requests) == 1, "it is known from then on"


def test_the_spec_that_is_kept_is_the_last_good_one_alone(api: FakeApi, turn: Informed) -> None:
    path = api.put(WORKERS, raw_worker())
    turn()
    first = status_of(api)["currentRevision"]
    api.objects[path]["spec"]["replicas"] = 3
    api.objects[path]["metadata"]["generation"] = 2

    turn()

    second = status_of(api)["currentRevision"]
    assert second != first
    assert api.names(REVISIONS) == [second]
    kept = api.objects[f"{REVISIONS}/{second}"]
    assert json.loads(kept["data"]["spec"]) == api.objects[path]["spec"]
    assert kept["metadata"]["ownerReferences"][0]["uid"] == "w-1"
    api.objects[path]["spec"]["ranks"] = 0
    api.objects[path]["metadata"]["generation"] = 3
    turn()
    assert api.names(REVISIONS) == [second]
    assert status_of(api)["currentRevision"] == second


def test_nothing_of_another_is_recalled_or_deleted_by_a_name_in_the_status(
    api: FakeApi, turn: Informed
) -> None:
    """Whoever may write a status may not have the operator delete what he may not."""
    other = {"name": "llama-theirs", "uid": "r", "ownerReferences": [{"uid": "statefulset"}]}
    api.put(REVISIONS, {"metadata": other, "data": {"spec": raw_worker()["spec"]}})
    for name in ("llama-theirs", "others", 7, "llama-gone"):
        api.put(WORKERS, {**raw_worker(ranks=0), "status": {"currentRevision": name}})
        restarted(turn)()
        assert api.names(PODS) == []
        api.put(WORKERS, {**raw_worker(), "status": {"currentRevision": name}})
        restarted(turn)()
        assert f"{REVISIONS}/llama-theirs" in api.objects
        del api.objects[f"{PODS}/llama-0"]


@pytest.mark.parametrize("code", [403, 413, 422, 500])
def test_a_spec_that_cannot_be_kept_hinders_nothing(
    api: FakeApi, turn: Informed, code: int
) -> None:
    api.put(WORKERS, raw_worker())
    api.refusals["POST", REVISIONS] = (code, "no")

    turn()

    assert api.names(PODS) == ["llama-0"]
    assert degraded(api)[0] == "False"
    assert "currentRevision" not in status_of(api)


def test_a_revision_that_cannot_be_deleted_is_left_with_its_worker(
    api: FakeApi, turn: Informed
) -> None:
    path = api.put(WORKERS, raw_worker())
    turn()
    api.refusals["DELETE", f"{REVISIONS}/{status_of(api)['currentRevision']}"] = (500, "no")
    api.objects[path]["spec"]["replicas"] = 2

    turn()

    assert len(api.names(REVISIONS)) == 2
    assert api.names(PODS) == ["llama-0", "llama-1"]


def test_a_status_is_written_once_a_second_and_the_last_one_is_not_lost(
    api: FakeApi, turn: Informed
) -> None:
    api.put(WORKERS, raw_worker())
    turn()
    become(api, "llama-0", **READY)
    turn.clock_s -= 1.6

    wait_s = turn()

    assert wait_s == pytest.approx(0.6)
    assert status_of(api)["readyReplicas"] == 0
    turn.clock_s += 0.6
    assert turn() is None
    assert status_of(api)["readyReplicas"] == 1


def test_a_successor_whose_label_is_removed_too_is_passed_by(api: FakeApi, turn: Informed) -> None:
    api.put(WORKERS, raw_worker())
    for _ in range(3):
        turn()
        for name in api.names(PODS):
            become(api, name, **READY)
            api.objects[f"{PODS}/{name}"]["metadata"]["labels"] = {}

    turn()

    assert len(set(api.names(PODS))) == 4
