import asyncio
from typing import Any

import kopf
import pytest

from numalocal.worker.inject import PoolNumbers
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.controller import Controller
from numalocal_operator.handlers import register
from numalocal_operator.observing.topologies import Pods, Topologies
from numalocal_operator.worklist import Key

from .builders import owned, topology
from .fake_api import TOPOLOGIES, FakeApi


class Listener(Controller):
    """Notes what it is told, and does nothing about it."""

    def __init__(self) -> None:
        self.heard: list[str | Key] = []

    def start(self) -> None:
        self.heard.append("start")

    def stop(self) -> None:
        self.heard.append("stop")

    def observed(self, key: Key) -> None:
        self.heard.append(key)

    def pod_observed(self, uid: str, key: Key, *, gone: bool) -> None:
        self.heard.append(f"{uid} of {'/'.join(key)} {'gone' if gone else 'there'}")

    def told(self, pods: Pods) -> None:
        self.heard.append(f"told of {', '.join(sorted(pods))}")


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def topologies() -> Topologies:
    return Topologies()


@pytest.fixture
def others() -> list[Pods]:
    """What the hearer beside the controller is told."""
    return []


@pytest.fixture
def registry(
    listener: Listener, cluster: Cluster, topologies: Topologies, others: list[Pods]
) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    register(registry, cluster, listener, topologies, [others.append])
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


def test_workers_their_pods_and_nodes_are_watched_and_nothing_else(
    registry: kopf.OperatorRegistry,
) -> None:
    watched: list[Any] = list(registry._watching._handlers)

    assert [(one.selector.group, one.selector.any_name, one.labels) for one in watched] == [
        ("numalocal.io", "cpuinferenceworkers", None),
        (None, "pods", {"numalocal.io/worker": kopf.PRESENT}),
        ("numalocal.io", "nodecputopologies", None),
    ]


def test_an_event_of_a_worker_names_it(registry: kopf.OperatorRegistry, listener: Listener) -> None:
    call(registry, "worker_changed", namespace="serving", name="llama", body={})

    assert listener.heard == [("serving", "llama")]


def test_an_event_of_a_pod_names_its_worker(
    registry: kopf.OperatorRegistry, listener: Listener
) -> None:
    labels = {"numalocal.io/worker": "llama", "app": "llama"}

    for event in ("MODIFIED", "DELETED"):
        call(registry, "pod_changed", type=event, namespace="serving", labels=labels, uid="p-0")

    assert listener.heard == ["p-0 of serving/llama there", "p-0 of serving/llama gone"]


def test_what_a_node_tells_is_known_before_anybody_hears_of_it(
    registry: kopf.OperatorRegistry,
    listener: Listener,
    topologies: Topologies,
    others: list[Pods],
) -> None:
    body = topology("node-a", sets=[owned("p-0", "c-1")])

    call(registry, "topology_changed", type=None, body=body)
    assert topologies.started("node-a", "p-0", "c-1")
    call(registry, "topology_changed", type="DELETED", body=body)
    assert topologies.started("node-a", "p-0", "c-1") is None

    assert listener.heard == ["told of p-0"] * 2
    assert others == [{"p-0"}] * 2


def test_starting_sets_kopf_to_work_alone_and_to_post_nothing(
    api: FakeApi, registry: kopf.OperatorRegistry, listener: Listener, topologies: Topologies
) -> None:
    pool = {"name": "cpuset", "sets": 2, "cpusPerSet": 4}
    api.put(TOPOLOGIES, topology(pools=[pool]))
    settings = kopf.OperatorSettings()

    call(registry, "start", settings=settings)
    call(registry, "stop")

    assert settings.peering.standalone
    assert not settings.posting.enabled
    assert listener.heard == ["start", "stop"]
    assert topologies.pools() == {"cpuset": PoolNumbers(cpus_per_set=4)}


def test_kopf_knows_how_to_log_in(registry: kopf.OperatorRegistry) -> None:
    """A registry of one's own has no log-in but the one that is registered."""
    handlers: list[Any] = list(registry._activities._handlers)

    assert "login" in [one.fn.__name__ for one in handlers]
