import pytest

from numalocal_operator.api.cluster import Cluster
from numalocal_operator.observing.nodes import Nodes
from numalocal_operator.observing.store import Store
from numalocal_operator.observing.topologies import Topologies
from numalocal_operator.sweeping import Sweep

from .builders import make_worker, owned, raw_node, raw_pod, raw_worker, topology
from .fake_api import NODES, PODS, TOPOLOGIES, WORKERS, FakeApi

LLAMA = ("serving", "llama")
PODS_EVERYWHERE = ("GET", "/api/v1/pods")
ALL = [
    PODS_EVERYWHERE,
    ("GET", "/api/v1/services"),
    ("GET", "/apis/policy/v1/poddisruptionbudgets"),
    ("GET", "/apis/numalocal.io/v1alpha1/cpuinferenceworkers"),
    ("GET", TOPOLOGIES),
    ("GET", NODES),
]


@pytest.fixture
def sweep(api: FakeApi, cluster: Cluster) -> Sweep:
    api.versioned = True
    api.put(WORKERS, raw_worker(replicas=2))
    for replica in (0, 1):
        api.put(PODS, raw_pod(make_worker(), replica))
    api.put(TOPOLOGIES, topology())
    api.put(NODES, raw_node())
    return Sweep(cluster, "", Store(lambda: 0.0), Topologies(), Nodes())


def pods(sweep: Sweep) -> list[str]:
    return sorted(one.name for one in sweep.store.pods(LLAMA, sweep.topologies.started))


def test_all_is_known_from_the_start(api: FakeApi, sweep: Sweep) -> None:
    sweep.fill()

    assert sorted(api.requests) == sorted(ALL)
    assert sweep.store.keys() == {LLAMA}
    assert pods(sweep) == ["llama-0", "llama-1"]
    assert sweep.topologies.names() == {"node-a"}


def test_a_start_anew_forgets_what_has_gone_meanwhile(api: FakeApi, sweep: Sweep) -> None:
    sweep.fill()
    del api.objects[f"{PODS}/llama-1"]

    sweep.fill()

    assert pods(sweep) == ["llama-0"]


def test_where_nothing_was_missed_a_sweep_is_eight_lists_of_metadata(
    api: FakeApi, sweep: Sweep
) -> None:
    sweep.fill()
    api.requests.clear()
    api.accepted.clear()

    assert sweep.sweep() == frozenset()

    assert sorted(api.requests) == sorted([*ALL, PODS_EVERYWHERE, PODS_EVERYWHERE])
    assert all("PartialObjectMetadataList" in one for one in api.accepted)


def test_what_is_gone_or_new_or_changed_without_an_event_is_found(
    api: FakeApi, sweep: Sweep
) -> None:
    sweep.fill()
    del api.objects[f"{PODS}/llama-0"]
    api.objects[f"{PODS}/llama-1"]["status"] = {"phase": "Failed"}
    api.changed(f"{PODS}/llama-1")
    other = raw_worker()
    other["metadata"] |= {"name": "other", "uid": "w-2"}
    api.put(WORKERS, other)

    assert sweep.sweep() == {LLAMA, ("serving", "other")}

    (found,) = sweep.store.pods(LLAMA, sweep.topologies.started)
    assert (found.name, found.terminal) == ("llama-1", True)
    assert sweep.sweep() == frozenset()


def test_a_worker_that_is_gone_without_an_event_is_forgotten(api: FakeApi, sweep: Sweep) -> None:
    sweep.fill()
    del api.objects[f"{WORKERS}/llama"]

    assert sweep.sweep() == {LLAMA}
    assert sweep.store.keys() == frozenset()


def test_what_goes_while_it_is_looked_up_is_nothing(api: FakeApi, sweep: Sweep) -> None:
    for path in (f"{WORKERS}/llama", f"{PODS}/llama-0", f"{TOPOLOGIES}/node-a"):
        api.refusals["GET", path] = (404, "gone")

    assert sweep.sweep() == {LLAMA}, "its other pod is there"
    assert pods(sweep) == ["llama-1"]


def test_nodes_that_came_or_went_without_an_event_are_told_to_the_workers_of_their_pods(
    api: FakeApi, sweep: Sweep
) -> None:
    sweep.fill()
    sweep.topologies.observed(topology("goes", sets=[owned("p-0", "c-1")]))
    api.put(TOPOLOGIES, topology("new"))

    assert sweep.sweep() == {LLAMA}
    assert sweep.topologies.names() == {"node-a", "new"}


def test_pods_of_an_earlier_release_are_given_the_label_by_which_they_are_seen(
    api: FakeApi, sweep: Sweep
) -> None:
    injected = {"numalocal.io/injected": "true"}
    api.put(PODS, {"metadata": {"name": "any", "namespace": "serving", "uid": "a"}})
    api.objects[f"{PODS}/any"]["metadata"]["labels"] = injected
    del api.objects[f"{PODS}/llama-0"]["metadata"]["labels"]["numalocal.io/bound"]

    sweep.sweep()

    for name in ("any", "llama-0"):
        labels = api.objects[f"{PODS}/{name}"]["metadata"]["labels"]
        assert labels["numalocal.io/bound"] == "true"
    assert [path for _, path in api.writes()] == [f"{PODS}/llama-0", f"{PODS}/any"]
    sweep.sweep()
    assert len(api.writes()) == 2


def test_a_node_that_is_gone_without_an_event_is_forgotten(api: FakeApi, sweep: Sweep) -> None:
    sweep.fill()
    assert sweep.nodes.names() == {"node-a"}
    api.remove(f"{NODES}/node-a")

    sweep.sweep()

    assert sweep.nodes.names() == frozenset()


def test_where_nodes_may_not_be_listed_none_is_known_and_none_asked_for_again(
    api: FakeApi, sweep: Sweep
) -> None:
    api.refusals["GET", NODES] = 403, "no"
    sweep.fill()
    assert sweep.nodes.now() is None
    api.requests.clear()

    sweep.sweep()

    assert ("GET", NODES) not in api.requests
