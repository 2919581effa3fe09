import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kubernetes import client

from numalocal.worker.spec import parse_worker
from numalocal_operator.api import gate as gates
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.controller import ROUNDS, Controller
from numalocal_operator.observing.companions import BUDGET, SERVICE
from numalocal_operator.observing.nodes import Nodes
from numalocal_operator.observing.store import Store
from numalocal_operator.observing.topologies import Topologies
from numalocal_operator.reconcile import Rounds
from numalocal_operator.sizing import Sizing
from numalocal_operator.sweeping import Sweep
from numalocal_operator.worklist import Key

from .builders import CONFIG, make_worker, raw_pod, raw_worker, topology
from .fake_api import PODS, SERVICES, TOPOLOGIES, WORKERS, FakeApi
from .waiting import PATIENCE_S

LLAMA = ("serving", "llama")
WORKER = f"{WORKERS}/llama"
STATUS = ("PATCH", f"{WORKER}/status")


class Watched(Store):
    """Notes whose rounds look at it, and how often a sweep has let it be looked at whole."""

    def __init__(self) -> None:
        super().__init__(time.monotonic)
        self.looks: list[Key] = []
        self.sweeps = 0

    def keys(self) -> Any:
        self.sweeps += 1
        return super().keys()

    def worker(self, key: Key) -> Any:
        self.looks.append(key)
        return super().worker(key)


class Scene:
    """A controller with a store that is told by hand."""

    def __init__(self, cluster: Cluster, sweep_s: float = 600) -> None:
        self.store = Watched()
        self.topologies = Topologies()
        self.nodes = Nodes()
        self.sizing = Sizing(self.topologies, self.nodes)
        rounds = Rounds(cluster, CONFIG, self.topologies, self.sizing, self.store)
        self.sweep = Sweep(cluster, "serving", self.store, self.topologies, self.nodes)
        self.controller = Controller(rounds, self.sweep, sweep_s)

    def play(self, act: Callable[[], Awaitable[None]]) -> None:
        """Act while the controller works."""

        async def scene() -> None:
            self.controller.start()
            try:
                await act()
            finally:
                self.controller.stop()

        asyncio.run(scene())


@pytest.fixture
def scene(cluster: Cluster) -> Scene:
    return Scene(cluster)


@pytest.fixture
def swept(cluster: Cluster) -> Scene:
    """Give one that sweeps all the time."""
    return Scene(cluster, sweep_s=0.05)


async def seen(condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.01)


def test_a_watch_that_begins_anew_during_a_sweep_is_followed_by_another(
    api: FakeApi, scene: Scene
) -> None:
    """The sweep may have asked before: what it has not seen would wait for the next in minutes."""
    answer = api.answer

    def slowly(method: str, url: str, body: object) -> Any:
        answered = answer(method, url, body)
        if scene.store.sweeps == 0 and not api.names(WORKERS) and url.startswith(SERVICES):
            api.put(WORKERS, raw_worker())
            scene.controller.heard(None)
        return answered

    api.answer = slowly  # type: ignore[method-assign]

    async def act() -> None:
        await seen(lambda: "status" in api.objects.get(WORKER, {}))

    scene.play(act)


def test_a_worker_that_was_observed_is_reconciled(api: FakeApi, scene: Scene) -> None:
    async def act() -> None:
        await asyncio.sleep(0.1)
        assert api.writes() == [], "nothing is written without a reason"
        api.put(WORKERS, raw_worker())
        scene.store.put_worker(raw_worker())
        scene.controller.observed(LLAMA)
        await seen(lambda: "status" in api.objects[WORKER])

    scene.play(act)

    assert api.names(PODS) == ["llama-0"]


def test_whoever_begins_to_work_looks_at_all_that_is_known(api: FakeApi, scene: Scene) -> None:
    api.put(WORKERS, raw_worker())
    scene.store.put_worker(raw_worker())
    scene.controller.observed(LLAMA)

    async def act() -> None:
        await seen(lambda: "status" in api.objects[WORKER])

    scene.play(act)


def test_what_had_no_event_is_seen_by_the_sweep(api: FakeApi, swept: Scene) -> None:
    api.put(WORKERS, raw_worker())

    async def act() -> None:
        await seen(lambda: "status" in api.objects[WORKER])

    swept.play(act)


def test_a_watch_that_began_anew_is_followed_by_a_sweep(api: FakeApi, scene: Scene) -> None:
    async def act() -> None:
        await seen(lambda: scene.store.sweeps == 1)
        api.put(WORKERS, raw_worker())
        scene.controller.heard("ADDED")
        scene.controller.heard(None)
        await seen(lambda: "status" in api.objects[WORKER])

    scene.play(act)


def test_a_failed_call_is_tried_again_with_a_line_in_the_log(
    api: FakeApi, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    api.put(WORKERS, raw_worker())
    scene.store.put_worker(raw_worker())
    api.refusals[STATUS] = (503, "busy")

    def failures() -> list[dict[str, Any]]:
        return [vars(one) for one in caplog.records if one.getMessage() == "reconcile failed"]

    async def act() -> None:
        await seen(lambda: len(failures()) > 0)
        del api.refusals[STATUS]
        await seen(lambda: "status" in api.objects[WORKER])

    with caplog.at_level(logging.WARNING):
        scene.play(act)

    first, *_ = failures()  # one more where the machine is slow
    assert (first["namespace"], first["worker"], first["retry_s"]) == ("serving", "llama", 1.0)
    assert (first["err"], first["exc_info"]) == ("busy", None)


def test_a_worker_is_looked_at_again_when_its_round_asked_for_it(
    api: FakeApi, scene: Scene
) -> None:
    """A back-off of 10 s that ends without any event."""
    api.put(WORKERS, raw_worker())
    pod = raw_pod(make_worker(), phase="Failed", reason="UnexpectedAdmissionError")
    created = datetime.now(UTC) - timedelta(seconds=9.3)
    pod["metadata"]["creationTimestamp"] = created.isoformat()
    api.put(PODS, pod)
    scene.store.put_pod(pod)
    scene.store.put_worker(raw_worker())

    async def act() -> None:
        await seen(lambda: "status" in api.objects[WORKER])
        await seen(lambda: api.objects.get(f"{PODS}/llama-0", pod)["metadata"]["uid"] != "p-0")

    scene.play(act)

    annotations = api.objects[f"{PODS}/llama-0"]["metadata"]["annotations"]
    assert annotations["numalocal.io/attempt"] == "1"


def test_a_worker_that_nobody_foresaw_does_not_stop_the_others(
    api: FakeApi, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    broken = {**raw_worker(), "metadata": {**raw_worker()["metadata"], "name": "broken"}}
    broken["metadata"]["uid"] = "w-broken"
    pod = raw_pod(make_worker())
    pod["metadata"] |= {"name": "broken-0", "creationTimestamp": "yesterday"}
    pod["metadata"]["labels"]["numalocal.io/worker"] = "broken"
    for raw in (broken, raw_worker()):
        api.put(WORKERS, raw)
        scene.store.put_worker(raw)
    api.put(PODS, pod)
    scene.store.put_pod(pod)

    async def act() -> None:
        await seen(lambda: "status" in api.objects[WORKER])
        await seen(lambda: "status" in api.objects[f"{WORKERS}/broken"])
        await seen(lambda: any(vars(one).get("worker") == "broken" for one in caplog.records))

    with caplog.at_level(logging.WARNING):
        scene.play(act)

    line = next(one for one in caplog.records if vars(one).get("worker") == "broken")
    assert line.levelname == "ERROR"
    assert line.exc_info is not None


def test_a_sweep_that_fails_is_followed_by_another(
    api: FakeApi, swept: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    api.put(WORKERS, raw_worker())
    api.refusals["GET", WORKERS] = (500, "etcd is away")

    async def act() -> None:
        await seen(lambda: any(one.getMessage() == "sweep failed" for one in caplog.records))
        del api.refusals["GET", WORKERS]
        await seen(lambda: "status" in api.objects[WORKER])

    with caplog.at_level(logging.WARNING):
        swept.play(act)


def test_what_a_node_tells_of_a_workers_pod_is_looked_at_whichever_event_comes_first(
    api: FakeApi, scene: Scene
) -> None:
    async def act() -> None:
        await seen(lambda: scene.store.sweeps == 1)
        api.put(WORKERS, raw_worker())
        scene.store.put_worker(raw_worker())
        scene.controller.told(frozenset({"p-0"}))
        await asyncio.sleep(0.05)
        assert "status" not in api.objects[WORKER], "nobody knows whose pod that is yet"
        scene.store.put_pod(raw_pod(make_worker()))
        scene.controller.told(frozenset({"p-0", "of-nobody"}))
        await seen(lambda: "status" in api.objects[WORKER])

    scene.play(act)


class Gate:
    """Holds every round until it is opened, and notes how many are in it."""

    def __init__(self) -> None:
        self.open = False
        self.inside: list[str] = []
        self.most = 0

    def __call__(self, name: str) -> None:
        self.inside.append(name)
        assert len(set(self.inside)) == len(self.inside), "two rounds of one worker"
        self.most = max(self.most, len(self.inside))
        while not self.open:
            time.sleep(0.005)
        self.inside.remove(name)


class Held(Store):
    """Lets each look at a worker wait at a gate."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(time.monotonic)
        self.gate = gate
        self.looks: list[str] = []

    def worker(self, key: tuple[str, str]) -> None:
        self.looks.append(key[1])
        self.gate(key[1])


@pytest.fixture
def gate() -> Iterator[Gate]:
    found = Gate()
    yield found
    found.open = True


def test_eight_workers_have_rounds_at_a_time_and_each_but_one(cluster: Cluster, gate: Gate) -> None:
    scene = Scene(cluster)
    store = Held(gate)
    rounds = Rounds(cluster, CONFIG, scene.topologies, scene.sizing, store)
    sweep = Sweep(cluster, "", store, scene.topologies, scene.nodes)
    scene.controller = Controller(rounds, sweep)

    async def act() -> None:
        for _ in range(3):
            for number in range(12):
                scene.controller.observed(("serving", f"w-{number}"))
            await seen(lambda: len(gate.inside) == ROUNDS)
            await asyncio.sleep(0.05)
        gate.open = True
        await seen(lambda: len(store.looks) >= 12 + 8)
        await asyncio.sleep(0.05)
        await seen(lambda: not gate.inside)

    scene.play(act)

    assert gate.most == ROUNDS
    assert all(store.looks.count(f"w-{number}") in {1, 2} for number in range(12))


def test_whoever_stops_begins_no_round_and_may_start_again(api: FakeApi, scene: Scene) -> None:
    api.put(WORKERS, raw_worker())

    async def act() -> None:
        scene.controller.stop()
        scene.store.put_worker(raw_worker())
        scene.controller.observed(LLAMA)
        await asyncio.sleep(0.1)
        assert api.writes() == []
        scene.controller.start()
        await seen(lambda: "status" in api.objects[WORKER])

    scene.play(act)


def test_a_round_that_may_not_write_says_nothing_and_comes_again(
    api: FakeApi, caplog: pytest.LogCaptureFixture
) -> None:
    """As where the Lease was not renewed for a moment, and nobody else took it."""
    may = [False]
    settings = client.Configuration()
    settings.host = api.url
    api.put(WORKERS, raw_worker())
    with client.ApiClient(settings) as api_client:
        gates.guard(api_client, gates.Gate(lambda: may[0]))
        scene = Scene(Cluster(api_client))
        scene.store.put_worker(raw_worker())

        async def act() -> None:
            await asyncio.sleep(0.3)
            assert api.writes() == []
            may[0] = True
            await seen(lambda: "status" in api.objects[WORKER])

        scene.play(act)

    assert [one for one in caplog.records if one.name.startswith("numalocal_operator.c")] == []
    (degraded,) = (
        one for one in api.objects[WORKER]["status"]["conditions"] if one["type"] == "Degraded"
    )
    assert degraded["status"] == "False"


def test_a_node_whose_end_was_missed_is_forgotten_by_the_sweep(api: FakeApi, swept: Scene) -> None:
    pool = {"name": "cpuset", "sets": 1, "cpusPerSet": 4}
    for name in ("stays", "goes"):
        swept.topologies.observed(topology(name, pools=[pool]))
    api.put(TOPOLOGIES, topology("stays"))

    async def act() -> None:
        await seen(lambda: swept.topologies.names() == {"stays"})

    swept.play(act)


def test_a_service_of_which_no_event_told_is_seen_by_the_sweep(api: FakeApi, swept: Scene) -> None:
    metadata = {"name": "llama", "namespace": "serving", "labels": {"numalocal.io/worker": "llama"}}
    api.put(SERVICES, {"metadata": metadata | {"uid": "s-1", "resourceVersion": "7"}, "spec": {}})
    known = swept.store.companions
    known.put(BUDGET, {"metadata": metadata | {"uid": "b-1", "resourceVersion": "7"}, "spec": {}})

    async def act() -> None:
        await seen(lambda: known.of(LLAMA).keys() == {SERVICE})

    swept.play(act)


def test_workers_that_wait_for_a_node_are_looked_at_once_when_nodes_change(
    api: FakeApi, cluster: Cluster
) -> None:
    scene = Scene(cluster)
    other = raw_worker()
    other["metadata"] |= {"name": "placed", "uid": "w-2"}
    waits, placed = raw_pod(make_worker()), raw_pod(parse_worker(other))
    placed["metadata"]["uid"] = "p-9"
    placed["spec"]["nodeName"] = "node-a"
    for collection, raw in ((WORKERS, raw_worker()), (WORKERS, other), (PODS, waits)):
        api.put(collection, raw)
    api.put(PODS, placed)
    scene.sweep.fill()

    async def act() -> None:
        # Whoever begins to work looks at all.
        await seen(lambda: {*scene.store.looks} == {LLAMA, ("serving", "placed")})
        scene.store.looks.clear()
        for _ in range(100):
            scene.controller.nodes_changed()
        await seen(lambda: len(scene.store.looks) > 0)
        await asyncio.sleep(0.3)

    scene.play(act)

    assert scene.store.waiting() == {LLAMA}
    assert scene.store.looks == [LLAMA]
