import logging

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from numalocal_operator.api.answers import Contended, NameTaken, Refused
from numalocal_operator.api.cluster import Cluster

from ..builders import NOW, make_worker, raw_node, raw_pod, raw_worker, topology
from ..fake_api import EVENTS, NODES, PODS, TOPOLOGIES, WORKERS, FakeApi


def test_a_worker_is_read_as_it_stands(api: FakeApi, cluster: Cluster) -> None:
    api.put(WORKERS, raw_worker(colour="red"))

    assert cluster.worker("serving", "llama") == raw_worker(colour="red")


def test_the_api_server_learns_who_calls(api: FakeApi, cluster: Cluster) -> None:
    cluster.worker("serving", "llama")

    assert api.callers == {"numalocal-operator"}


def test_a_worker_that_is_gone_is_none(api: FakeApi, cluster: Cluster) -> None:
    api.refusals["GET", f"{WORKERS}/llama"] = (404, "not found")

    assert cluster.worker("serving", "llama") is None


@pytest.mark.parametrize("code", [401, 403, 429, 500, 503])
def test_other_failures_are_the_callers(api: FakeApi, cluster: Cluster, code: int) -> None:
    api.refusals["GET", f"{WORKERS}/llama"] = (code, "no")

    with pytest.raises(ApiException):
        cluster.worker("serving", "llama")


@pytest.mark.parametrize("namespace", ["serving", ""], ids=["one namespace", "all namespaces"])
def test_workers_and_pods_are_listed(api: FakeApi, cluster: Cluster, namespace: str) -> None:
    api.put(WORKERS, raw_worker())
    api.put(PODS, raw_pod(make_worker()))
    api.put(PODS, {"metadata": {"name": "stranger", "uid": "s", "labels": {"app": "x"}}})

    assert [one["metadata"]["name"] for one in cluster.workers(namespace)] == ["llama"]
    assert [one["metadata"]["name"] for one in cluster.pods(namespace)] == ["llama-0"]


def test_of_metadata_what_names_an_object_is_kept_alone(api: FakeApi, cluster: Cluster) -> None:
    """Most of it tells who wrote which field: 384 MiB of 15,000 objects."""
    pod = raw_pod(make_worker())
    pod["metadata"] |= {"managedFields": [{"manager": "kubectl"}], "resourceVersion": "7"}
    api.put(PODS, pod)

    (one,) = cluster.metadata("pods", "serving", "numalocal.io/worker")

    assert one == {
        "namespace": "serving",
        "name": "llama-0",
        "uid": "p-0",
        "resourceVersion": "7",
    }
    (accepted,) = api.accepted
    assert accepted == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


def test_what_nodes_tell_is_listed_page_by_page(api: FakeApi, cluster: Cluster) -> None:
    for number in range(250):
        api.put(TOPOLOGIES, topology(f"node-{number}"))

    found = [one["metadata"]["name"] for one in cluster.topologies()]

    assert found == [f"node-{number}" for number in range(250)]
    assert api.requests == [("GET", TOPOLOGIES)] * 3


def test_without_the_crd_no_node_tells_anything_and_the_log_says_why(
    api: FakeApi, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    api.refusals["GET", TOPOLOGIES] = (404, "not found")

    assert list(cluster.topologies()) == []

    assert vars(caplog.records[0])["crd"] == "nodecputopologies.numalocal.io"


def test_a_list_of_nodes_that_fails_is_the_callers(api: FakeApi, cluster: Cluster) -> None:
    api.refusals["GET", TOPOLOGIES] = (500, "etcd is away")

    with pytest.raises(ApiException):
        list(cluster.topologies())


def test_a_pod_is_created_as_planned(api: FakeApi, cluster: Cluster) -> None:
    pod = raw_pod(make_worker(memory={"perRank": "1Gi"}))

    made = cluster.create_pod(pod)

    held = api.objects[f"{PODS}/llama-0"]
    assert made == held
    assert held["spec"] == pod["spec"]
    assert held["metadata"]["annotations"] == pod["metadata"]["annotations"]


def test_a_name_that_is_taken_is_told_from_a_conflict_of_writes(
    api: FakeApi, cluster: Cluster
) -> None:
    """A quota of which two pods are written at once answers 409 as well."""
    path = api.put(PODS, raw_pod(make_worker()))
    with pytest.raises(NameTaken):
        cluster.create_pod(raw_pod(make_worker()))

    del api.objects[path]
    api.refusals["POST", PODS] = (409, "the quota has been modified; please try again")
    with pytest.raises(Contended):
        cluster.create_pod(raw_pod(make_worker()))


@pytest.mark.parametrize("code", [400, 403, 422])
def test_a_refused_pod_is_told_in_the_servers_words(
    api: FakeApi, cluster: Cluster, code: int
) -> None:
    api.refusals["POST", PODS] = (code, 'pods "llama-0" is forbidden: exceeded quota: team')

    with pytest.raises(Refused, match=r'^pods "llama-0" is forbidden: exceeded quota: team$'):
        cluster.create_pod(raw_pod(make_worker()))


def test_a_busy_server_has_refused_nothing(api: FakeApi, cluster: Cluster) -> None:
    api.refusals["POST", PODS] = (503, "busy")

    with pytest.raises(ApiException):
        cluster.create_pod(raw_pod(make_worker()))


def test_a_live_pod_gets_its_time_to_end_and_a_terminal_one_goes_at_once(
    api: FakeApi, cluster: Cluster
) -> None:
    for replica in (0, 1):
        api.put(PODS, raw_pod(make_worker(), replica, phase="Running"))

    ends = cluster.delete_pod("serving", "llama-0", "p-0")
    gone = cluster.delete_pod("serving", "llama-1", "p-1", terminal=True)

    assert ends == api.objects[f"{PODS}/llama-0"]
    assert gone is None
    assert api.names(PODS) == ["llama-0"]
    assert "deletionTimestamp" in api.objects[f"{PODS}/llama-0"]["metadata"]


def test_a_pod_that_has_changed_since_is_not_deleted_where_a_version_is_given(
    api: FakeApi, cluster: Cluster
) -> None:
    api.versioned = True
    api.put(PODS, raw_pod(make_worker()))
    version = int(api.changed(f"{PODS}/llama-0")["metadata"]["resourceVersion"])
    api.changed(f"{PODS}/llama-0")

    with pytest.raises(Contended):
        cluster.delete_pod("serving", "llama-0", "p-0", version=version)
    assert cluster.delete_pod("serving", "llama-0", "p-other", version=version) is None

    assert api.names(PODS) == ["llama-0"]
    assert cluster.delete_pod("serving", "llama-0", "p-0", version=version + 1) is None
    assert api.names(PODS) == []


def test_nodes_are_listed(api: FakeApi, cluster: Cluster) -> None:
    for number in range(3):
        api.put(NODES, raw_node(f"n{number}"))

    assert [one["metadata"]["name"] for one in cluster.nodes()] == ["n0", "n1", "n2"]


def test_a_pod_that_took_over_the_name_is_not_deleted(api: FakeApi, cluster: Cluster) -> None:
    api.put(PODS, raw_pod(make_worker()))

    cluster.delete_pod("serving", "llama-0", "p-before", terminal=True)

    assert api.names(PODS) == ["llama-0"]


def test_a_pod_that_is_gone_needs_no_deletion(api: FakeApi, cluster: Cluster) -> None:
    cluster.delete_pod("serving", "llama-0", "p-0")

    assert api.writes() == [("DELETE", f"{PODS}/llama-0")]


def test_a_deletion_that_is_forbidden_is_the_callers(api: FakeApi, cluster: Cluster) -> None:
    api.refusals["DELETE", f"{PODS}/llama-0"] = (403, "no")

    with pytest.raises(ApiException):
        cluster.delete_pod("serving", "llama-0", "p-0")


def test_a_status_is_merged_and_nothing_else_is_written(api: FakeApi, cluster: Cluster) -> None:
    path = api.put(WORKERS, {**raw_worker(), "status": {"replicas": 1, "readyReplicas": 0}})

    cluster.patch_status("serving", "llama", {"readyReplicas": 1})

    assert api.objects[path] == {**raw_worker(), "status": {"replicas": 1, "readyReplicas": 1}}
    assert api.writes() == [("PATCH", f"{path}/status")]


def test_a_worker_that_is_gone_has_no_status(api: FakeApi, cluster: Cluster) -> None:
    assert cluster.patch_status("serving", "llama", {"readyReplicas": 1}) is None

    assert api.objects == {}


def test_a_status_that_is_refused_is_the_callers(api: FakeApi, cluster: Cluster) -> None:
    api.refusals["PATCH", f"{WORKERS}/llama/status"] = (422, "no")

    with pytest.raises(ApiException):
        cluster.patch_status("serving", "llama", {"readyReplicas": 1})


def test_an_event_names_its_worker_and_is_cut_where_the_server_would_refuse_it(
    api: FakeApi, cluster: Cluster
) -> None:
    cluster.event(raw_worker(), "Warning", "CheckRefused", "long " * 300, NOW)

    (name,) = api.names(EVENTS)
    event = api.objects[f"{EVENTS}/{name}"]
    assert name.startswith("llama-")
    assert event["involvedObject"] == {
        "apiVersion": "numalocal.io/v1alpha1",
        "kind": "CpuInferenceWorker",
        "name": "llama",
        "namespace": "serving",
        "uid": "w-1",
    }
    assert (event["type"], event["reason"]) == ("Warning", "CheckRefused")
    assert len(event["message"]) == 1024


def test_an_event_that_cannot_be_written_is_lost_with_a_line(
    api: FakeApi, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    api.refusals["POST", EVENTS] = (403, "namespace is being terminated")

    with caplog.at_level(logging.WARNING):
        cluster.event(raw_worker(), "Normal", "PodCreated", "created pod llama-0", NOW)

    (line,) = caplog.records
    assert line.getMessage() == "event lost"
    assert vars(line)["err"] == "namespace is being terminated"


def test_an_event_that_meets_a_server_that_is_away_is_lost_too(
    api: FakeApi, caplog: pytest.LogCaptureFixture
) -> None:
    settings = client.Configuration()
    settings.host = "http://127.0.0.1:1"

    with client.ApiClient(settings) as connection:
        Cluster(connection).event(raw_worker(), "Normal", "PodCreated", "created", NOW)

    assert vars(caplog.records[0])["err"].endswith("the API server cannot be reached")


def test_an_owner_of_a_pod_that_is_gone_or_another_is_not_written(
    api: FakeApi, cluster: Cluster
) -> None:
    path = api.put(PODS, {"metadata": {"name": "llama-0", "uid": "p-0"}})

    cluster.own_pod("serving", "llama-0", "p-9", {"uid": "w-1"})
    cluster.own_pod("serving", "llama-1", "p-1", {"uid": "w-1"})
    assert "ownerReferences" not in api.objects[path]["metadata"]

    cluster.own_pod("serving", "llama-0", "p-0", {"uid": "w-1"})
    assert api.objects[path]["metadata"]["ownerReferences"] == [{"uid": "w-1"}]
    cluster.mark_pod("serving", "llama-0", "p-0")
    assert api.objects[path]["metadata"]["labels"] == {"numalocal.io/bound": "true"}
    api.refusals["PATCH", path] = (403, "forbidden")
    with pytest.raises(ApiException):
        cluster.own_pod("serving", "llama-0", "p-0", {"uid": "w-1"})
