import asyncio
import time
from typing import Any

import kopf
import pytest
from kubernetes.client.exceptions import ApiException

from numalocal_operator.api.cluster import Cluster
from numalocal_operator.controller import Controller
from numalocal_operator.handlers import Ears, register
from numalocal_operator.observing.nodes import Nodes
from numalocal_operator.observing.store import Store
from numalocal_operator.observing.told import Offer
from numalocal_operator.observing.topologies import Pods, Topologies
from numalocal_operator.sweeping import Sweep
from numalocal_operator.worklist import Key

from .builders import make_worker, owned, raw_node, raw_pod, raw_worker, topology
from .fake_api import NODES, PODS, TOPOLOGIES, WORKERS, FakeApi

LLAMA = ("serving", "llama")


class Listener(Controller):
    """Notes what it is told, and does nothing about it."""

    def __init__(self) -> None:
        self.notes: list[str | Key | None] = []

    def observed(self, key: Key) -> None:
        self.notes.append(key)

    def told(self, pods: Pods) -> None:
        self.notes.append(f"told of {', '.join(sorted(pods))}")

    def nodes_changed(self) -> None:
        self.notes.append("nodes")

    def heard(self, event: str | None) -> None:
        if event is None:
            self.notes.append("a list")


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def others() -> list[Pods]:
    """What the hearer beside the controller is told."""
    return []


@pytest.fixture
def sweep(cluster: Cluster) -> Sweep:
    return Sweep(cluster, "", Store(time.monotonic), Topologies(), Nodes())


@pytest.fixture
def registry(listener: Listener, sweep: Sweep, others: list[Pods]) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    ears = Ears(sweep.store, sweep.topologies, sweep.nodes, listener, [others.append])
    register(registry, sweep, ears, lambda: listener.notes.append("filled"))
    return registry


def call(registry: kopf.OperatorRegistry, handler: str, /, **arguments: Any) -> None:
    """Call a handler as kopf would."""
    handlers: list[Any] = [*registry._activities._handlers, *registry._watching._handlers]
    (found,) = [one.fn for one in handlers if one.fn.__name__ == handler]
    asyncio.run(found(**arguments))


def test_kopf_has_no_reason_to_write_on_our_objects(registry: kopf.OperatorRegistry) -> None:
    """Change handlers, timers and daemons bring finalizers and annotations; events do not."""
    assert list(registry._changing._handlers) == []
    assert list(registry._spawning._handlers) == []
    assert list(registry._indexing._handlers) == []


def test_workers_what_is_theirs_and_nodes_are_watched_and_nothing_else(
    registry: kopf.OperatorRegistry,
) -> None:
    watched: list[Any] = list(registry._watching._handlers)

    assert [(one.selector.group, one.selector.any_name, one.labels) for one in watched] == [
        ("numalocal.io", "cpuinferenceworkers", None),
        (None, "pods", None),
        ("", "services", None),
        ("policy", "poddisruptionbudgets", None),
        ("numalocal.io", "nodecputopologies", None),
    ]


def test_what_an_event_tells_of_a_worker_is_known_and_looked_at_once(
    registry: kopf.OperatorRegistry, listener: Listener, sweep: Sweep
) -> None:
    raw = raw_worker()
    raw["metadata"]["resourceVersion"] = "7"

    for event in ("ADDED", "MODIFIED"):
        call(registry, "worker_changed", type=event, body=raw)
    assert sweep.store.worker(LLAMA) == raw
    call(registry, "worker_changed", type="DELETED", body=raw)
    call(registry, "worker_changed", type="MODIFIED", body=raw)

    assert sweep.store.worker(LLAMA) is None
    assert listener.notes == [LLAMA, LLAMA]


def test_what_an_event_tells_of_a_pod_is_known_and_its_worker_looked_at(
    registry: kopf.OperatorRegistry, listener: Listener, sweep: Sweep
) -> None:
    raw = raw_pod(make_worker())

    call(registry, "pod_changed", type="ADDED", body=raw)
    assert len(sweep.store.pods(LLAMA, sweep.topologies.started)) == 1
    call(registry, "pod_changed", type="DELETED", body=raw)

    assert sweep.store.pods(LLAMA, sweep.topologies.started) == []
    assert listener.notes == [LLAMA, LLAMA]


@pytest.mark.parametrize("handler", ["service_changed", "budget_changed"])
def test_what_an_event_tells_of_a_companion_is_known_and_its_worker_looked_at(
    registry: kopf.OperatorRegistry, listener: Listener, sweep: Sweep, handler: str
) -> None:
    metadata = {"name": "llama", "namespace": "serving", "uid": "s-1", "resourceVersion": "7"}

    for event in ("ADDED", "MODIFIED"):
        call(registry, handler, type=event, body={"metadata": metadata, "spec": {}})
    assert len(sweep.store.companions.of(LLAMA)) == 1
    call(registry, handler, type="DELETED", body={"metadata": metadata})
    late = {"metadata": metadata | {"resourceVersion": "6"}, "spec": {}}
    call(registry, handler, type="MODIFIED", body=late)

    assert sweep.store.companions.of(LLAMA) == {}
    assert listener.notes == [LLAMA, LLAMA]


def test_what_comes_of_a_list_is_heard_as_such(
    registry: kopf.OperatorRegistry, listener: Listener
) -> None:
    """After the start that is a watch that began anew, and had not told what is gone."""
    call(registry, "worker_changed", type=None, body=raw_worker())
    call(registry, "pod_changed", type=None, body=raw_pod(make_worker()))
    call(registry, "topology_changed", type=None, body=topology())

    assert listener.notes.count("a list") == 3


def test_what_a_node_tells_is_known_before_anybody_hears_of_it(
    registry: kopf.OperatorRegistry, listener: Listener, sweep: Sweep, others: list[Pods]
) -> None:
    body = topology("node-a", sets=[owned("p-0", "c-1")])

    call(registry, "topology_changed", type="ADDED", body=body)
    assert sweep.topologies.started("node-a", "p-0", "c-1")
    call(registry, "topology_changed", type="DELETED", body=body)
    assert sweep.topologies.started("node-a", "p-0", "c-1") is None

    assert listener.notes == ["told of p-0"] * 2
    assert others == [{"p-0"}] * 2


def test_starting_sets_kopf_to_work_alone_to_keep_nothing_and_to_see_only_what_is_ours(
    api: FakeApi, registry: kopf.OperatorRegistry, listener: Listener, sweep: Sweep
) -> None:
    pool = {"name": "cpuset", "sets": 2, "cpusPerSet": 4}
    api.put(TOPOLOGIES, topology(pools=[pool]))
    api.put(WORKERS, raw_worker())
    api.put(PODS, raw_pod(make_worker()))
    api.put(NODES, raw_node("node-a"))
    settings = kopf.OperatorSettings()

    call(registry, "start", settings=settings)

    assert settings.peering.standalone
    assert not settings.posting.enabled
    assert settings.networking.error_backoffs == (1, 1, 2, 3, 5, 5, 5), "not blind for long"
    assert settings.watching.label_selectors["pods"] == "numalocal.io/bound=true"
    for kind in ("services", "poddisruptionbudgets"):
        assert settings.watching.label_selectors[kind] == "numalocal.io/worker"
    assert settings.persistence.diffbase_storage.build(body=kopf.Body({})) == {}
    assert settings.persistence.diffbase_storage.fetch(body=kopf.Body({})) is None
    assert listener.notes == ["filled"], "who leads begins to work, not who watches"
    assert (sweep.topologies.now() or {})["node-a"].pools == {
        "cpuset": Offer(sets=2, cpus_per_set=4)
    }
    assert sweep.nodes.names() == {"node-a"}
    assert sweep.store.keys() == {LLAMA}
    assert len(sweep.store.pods(LLAMA, sweep.topologies.started)) == 1


def test_nodes_are_watched_once_they_were_listed(
    api: FakeApi, registry: kopf.OperatorRegistry, listener: Listener, sweep: Sweep
) -> None:
    api.put(NODES, raw_node("node-a"))
    call(registry, "start", settings=kopf.OperatorSettings())
    listener.notes.clear()

    call(registry, "node_changed", type="MODIFIED", body=raw_node("node-a"))
    assert listener.notes == [], "a heartbeat is no news"
    call(registry, "node_changed", type="MODIFIED", body=raw_node("node-a", unschedulable=True))
    call(registry, "node_changed", type="ADDED", body=raw_node("node-b"))
    call(registry, "node_changed", type="DELETED", body=raw_node("node-a"))

    assert listener.notes == ["nodes", "nodes", "nodes"]
    assert sweep.nodes.names() == {"node-b"}


def test_where_nodes_may_not_be_seen_nobody_watches_them_and_the_log_says_it(
    api: FakeApi,
    registry: kopf.OperatorRegistry,
    sweep: Sweep,
    caplog: pytest.LogCaptureFixture,
) -> None:
    api.refusals["GET", NODES] = 403, 'nodes is forbidden: User "x" cannot list resource "nodes"'

    call(registry, "start", settings=kopf.OperatorSettings())

    assert sweep.nodes.now() is None
    watched: list[Any] = list(registry._watching._handlers)
    assert "nodes" not in [one.selector.any_name for one in watched]
    assert "nodes are not seen" in caplog.text


def test_an_api_server_that_cannot_list_nodes_now_is_asked_again(
    api: FakeApi, registry: kopf.OperatorRegistry
) -> None:
    api.refusals["GET", NODES] = 503, "busy"

    with pytest.raises(ApiException):
        call(registry, "start", settings=kopf.OperatorSettings())


def test_what_a_node_offers_anew_is_told_to_those_who_wait(
    registry: kopf.OperatorRegistry, listener: Listener
) -> None:
    pool = {"name": "cpuset", "sets": 2, "cpusPerSet": 4, "free": 2}

    for free in (2, 1):
        body = topology("node-a", pools=[{**pool, "free": free}])
        call(registry, "topology_changed", type="MODIFIED", body=body)

    assert listener.notes == ["told of ", "nodes", "told of "]


def test_kopf_knows_how_to_log_in(registry: kopf.OperatorRegistry) -> None:
    """A registry of one's own has no log-in but the one that is registered."""
    handlers: list[Any] = list(registry._activities._handlers)

    assert "login" in [one.fn.__name__ for one in handlers]
