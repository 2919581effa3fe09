import asyncio
from typing import Any

import kopf
import pytest

from numalocal_operator.controller import Controller
from numalocal_operator.handlers import register
from numalocal_operator.worklist import Key


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


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def registry(listener: Listener) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    register(registry, listener)
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


def test_workers_and_the_pods_of_workers_are_watched_and_nothing_else(
    registry: kopf.OperatorRegistry,
) -> None:
    watched: list[Any] = list(registry._watching._handlers)

    assert [(one.selector.group, one.selector.any_name, one.labels) for one in watched] == [
        ("numalocal.io", "cpuinferenceworkers", None),
        (None, "pods", {"numalocal.io/worker": kopf.PRESENT}),
    ]


def test_an_event_of_a_worker_names_it(registry: kopf.OperatorRegistry, listener: Listener) -> None:
    call(registry, "worker_changed", namespace="serving", name="llama", body={})

    assert listener.heard == [("serving", "llama")]


def test_an_event_of_a_pod_names_its_worker(
    registry: kopf.OperatorRegistry, listener: Listener
) -> None:
    labels = {"numalocal.io/worker": "llama", "app": "llama"}

    call(registry, "pod_changed", namespace="serving", labels=labels, name="llama-0")

    assert listener.heard == [("serving", "llama")]


def test_starting_sets_kopf_to_work_alone_and_to_post_nothing(
    registry: kopf.OperatorRegistry, listener: Listener
) -> None:
    settings = kopf.OperatorSettings()

    call(registry, "start", settings=settings)
    call(registry, "stop")

    assert settings.peering.standalone
    assert not settings.posting.enabled
    assert listener.heard == ["start", "stop"]


def test_kopf_knows_how_to_log_in(registry: kopf.OperatorRegistry) -> None:
    """A registry of one's own has no log-in but the one that is registered."""
    handlers: list[Any] = list(registry._activities._handlers)

    assert "login" in [one.fn.__name__ for one in handlers]
