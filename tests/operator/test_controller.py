import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from numalocal_operator.api.cluster import Cluster
from numalocal_operator.controller import Controller
from numalocal_operator.observing.topologies import Topologies

from .builders import CONFIG, make_worker, raw_pod, raw_worker, topology
from .fake_api import PODS, TOPOLOGIES, WORKERS, FakeApi

LLAMA = ("serving", "llama")
WORKER = f"{WORKERS}/llama"


def while_running(controller: Controller, act: Callable[[], Awaitable[None]]) -> None:
    """Act while the controller works."""

    async def scene() -> None:
        controller.start()
        try:
            await act()
        finally:
            controller.stop()

    asyncio.run(scene())


async def seen(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.01)


def test_a_worker_that_was_observed_is_reconciled(api: FakeApi, cluster: Cluster) -> None:
    api.put(WORKERS, raw_worker())
    controller = Controller(cluster, CONFIG, Topologies())

    async def act() -> None:
        await asyncio.sleep(0.05)
        assert api.requests == [], "nothing is asked without a reason"
        controller.observed(LLAMA)
        await seen(lambda: "status" in api.objects[WORKER])

    while_running(controller, act)

    assert api.names(PODS) == ["llama-0"]


def test_what_changes_without_an_event_is_seen_by_the_resync(
    api: FakeApi, cluster: Cluster
) -> None:
    api.put(WORKERS, raw_worker())

    async def act() -> None:
        await seen(lambda: "status" in api.objects[WORKER])

    while_running(Controller(cluster, CONFIG, Topologies(), resync_s=0.05), act)


def test_a_failed_call_is_tried_again_with_a_line_in_the_log(
    api: FakeApi, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    api.put(WORKERS, raw_worker())
    api.refusals["GET", WORKER] = (503, "busy")
    controller = Controller(cluster, CONFIG, Topologies())

    def failures() -> list[dict[str, Any]]:
        return [vars(one) for one in caplog.records if one.getMessage() == "reconcile failed"]

    async def act() -> None:
        controller.observed(LLAMA)
        await seen(lambda: len(failures()) == 1)
        del api.refusals["GET", WORKER]
        await seen(lambda: "status" in api.objects[WORKER])
        api.refusals["GET", WORKER] = (503, "busy again")
        controller.observed(LLAMA)
        await seen(lambda: len(failures()) == 2)

    with caplog.at_level(logging.WARNING):
        while_running(controller, act)

    first, second = failures()
    assert (first["namespace"], first["worker"], first["retry_s"]) == ("serving", "llama", 1.0)
    assert first["exc_info"] is None
    assert second["retry_s"] == 1.0, "a success in between is a new beginning"


def test_a_worker_is_looked_at_again_when_its_round_asked_for_it(
    api: FakeApi, cluster: Cluster
) -> None:
    """A back-off of 10 s that ends without any event."""
    api.put(WORKERS, raw_worker())
    pod = raw_pod(make_worker(), phase="Failed", reason="UnexpectedAdmissionError")
    created = datetime.now(UTC) - timedelta(seconds=9.3)
    pod["metadata"]["creationTimestamp"] = created.isoformat()
    api.put(PODS, pod)
    controller = Controller(cluster, CONFIG, Topologies())

    async def act() -> None:
        controller.observed(LLAMA)
        await seen(lambda: "status" in api.objects[WORKER])
        await seen(lambda: api.objects.get(f"{PODS}/llama-0", pod)["metadata"]["uid"] != "p-0")

    while_running(controller, act)

    annotations = api.objects[f"{PODS}/llama-0"]["metadata"]["annotations"]
    assert annotations["numalocal.io/attempt"] == "1"


def test_a_worker_that_nobody_foresaw_does_not_stop_the_others(
    api: FakeApi, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    api.put(WORKERS, raw_worker())
    api.objects[f"{WORKERS}/broken"] = {"kind": "CpuInferenceWorker"}
    controller = Controller(cluster, CONFIG, Topologies())

    async def act() -> None:
        controller.observed(("serving", "broken"))
        controller.observed(LLAMA)
        await seen(lambda: "status" in api.objects[WORKER])

    with caplog.at_level(logging.WARNING):
        while_running(controller, act)

    (line,) = [one for one in caplog.records if vars(one).get("worker") == "broken"]
    assert line.levelname == "ERROR"
    assert line.exc_info is not None


def test_a_resync_that_fails_is_followed_by_another(
    api: FakeApi, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    workers = "/apis/numalocal.io/v1alpha1/cpuinferenceworkers"
    api.put(WORKERS, raw_worker())
    api.refusals["GET", workers] = (500, "etcd is away")

    async def act() -> None:
        await seen(lambda: any(one.getMessage() == "resync failed" for one in caplog.records))
        del api.refusals["GET", workers]
        await seen(lambda: "status" in api.objects[WORKER])

    with caplog.at_level(logging.WARNING):
        while_running(Controller(cluster, CONFIG, Topologies(), resync_s=0.05), act)


def test_what_a_node_tells_of_a_workers_pod_is_looked_at_whichever_event_comes_first(
    api: FakeApi, cluster: Cluster
) -> None:
    api.put(WORKERS, raw_worker())
    controller = Controller(cluster, CONFIG, Topologies())

    def rounds() -> int:
        return api.requests.count(("GET", WORKER))

    async def act() -> None:
        controller.told(frozenset({"p-0"}))
        await asyncio.sleep(0.05)
        assert rounds() == 0, "nobody knows whose pod that is yet"
        controller.pod_observed("p-0", LLAMA, gone=False)
        await seen(lambda: rounds() == 1)
        controller.told(frozenset({"p-0", "of-nobody"}))
        await seen(lambda: rounds() == 2)
        controller.pod_observed("p-0", LLAMA, gone=True)
        await seen(lambda: rounds() == 3)
        controller.told(frozenset({"p-0"}))
        await asyncio.sleep(0.05)
        assert rounds() == 3

    while_running(controller, act)


def test_a_node_whose_end_was_missed_is_forgotten_by_the_resync(
    api: FakeApi, cluster: Cluster
) -> None:
    topologies = Topologies()
    pool = {"name": "cpuset", "sets": 1, "cpusPerSet": 4}
    for name in ("stays", "goes"):
        topologies.observed(topology(name, pools=[pool]))
    api.put(TOPOLOGIES, topology("stays"))

    async def act() -> None:
        await seen(lambda: topologies.names() == {"stays"})

    while_running(Controller(cluster, CONFIG, topologies, resync_s=0.05), act)
