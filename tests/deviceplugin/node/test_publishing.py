import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from numalocal_deviceplugin import backoff
from numalocal_deviceplugin.abilities import Told
from numalocal_deviceplugin.counters import Count
from numalocal_deviceplugin.node.document import About
from numalocal_deviceplugin.node.publishing import Publishing, Timing, some_of
from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State

from ..nodes import gives_out, make_state
from ..waiting import PATIENCE_S, until
from .api_server import FakeApiServer, serving

ABOUT = About(agent="0.1.0", kernel="6.12.0")
QUICK = Timing(
    first_s=0.01,
    settle_s=0.01,
    pause_s=0.01,
    look_s=0.05,
    refresh_s=60,
    retry_first_s=0.02,
    retry_ceiling_s=0.02,
)


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    with serving() as found:
        yield found


@contextmanager
def publishing(
    api: FakeApiServer,
    state: State,
    folder: Path,
    timing: Timing = QUICK,
    stop: threading.Event | None = None,
) -> Iterator[None]:
    stop = stop or threading.Event()
    part = Publishing(api.publisher(folder), state, ABOUT, timing)
    thread = threading.Thread(target=part.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        state.wake()
        thread.join(PATIENCE_S)
    assert not thread.is_alive(), "it did not end when it was told to"


class Turns(threading.Event):
    """Tells to stop; a wait takes until the test ends it, however long it was to be."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0
        self._ended = threading.Semaphore(0)

    def wait(self, timeout: float | None = None) -> bool:
        if not self.is_set():
            self.waits += 1
            self._ended.acquire()
        return self.is_set()

    def end(self, following: int) -> None:
        """End the wait that is on, until the one of this number has begun."""
        self._ended.release()
        until(lambda: self.waits == following, f"wait {following}")

    def set(self) -> None:
        super().set()
        self._ended.release()


def reason(api: FakeApiServer) -> str:
    (ready,) = api.objects["worker-1"]["status"]["conditions"]
    return str(ready["reason"])


def test_the_object_is_made_at_the_start_and_follows_every_change(
    api: FakeApiServer, tmp_path: Path
) -> None:
    state = make_state()
    with publishing(api, state, tmp_path):
        until(lambda: "status" in api.objects.get("worker-1", {}), "the first write")
        assert reason(api) == "Serving"
        state.set_policy(Policy.STATIC)
        until(lambda: reason(api) == "KubeletPinsCpus", "the change")


def test_a_second_agent_leaves_the_object_to_the_first(api: FakeApiServer, tmp_path: Path) -> None:
    state = make_state()
    state.refuse("seat", [Refusal(reason=Reason.SECOND_AGENT, message="another one serves")])
    with publishing(api, state, tmp_path):
        time.sleep(0.1)
        assert api.requests == []

        state.refuse("seat")

        until(lambda: "status" in api.objects.get("worker-1", {}), "it took over")


def test_what_tells_others_nothing_new_is_not_written(api: FakeApiServer, tmp_path: Path) -> None:
    state = make_state()
    with publishing(api, state, tmp_path):
        until(lambda: len(api.requests) == 3, "the first write")
        for _ in range(5):
            state.wake()
            time.sleep(0.03)

    assert api.methods == ["PATCH", "POST", "PATCH"]


def test_changes_that_come_together_are_one_write(api: FakeApiServer, tmp_path: Path) -> None:
    state, turns = make_state(), Turns()
    api.objects["worker-1"] = {}
    with publishing(api, state, tmp_path, QUICK, turns):
        until(lambda: turns.waits == 1, "the wait before the first write")
        turns.end(following=2)
        for policy in [Policy.STATIC, Policy.UNKNOWN]:  # while it pauses after the first write
            state.set_policy(policy)
        turns.end(following=3)
        assert len(api.requests) == 2

        turns.end(following=4)  # it has nothing to write
        for policy in [Policy.NONE, Policy.STATIC]:  # while it waits for what comes together
            state.set_policy(policy)
        turns.end(following=5)
        assert len(api.requests) == 3
        assert reason(api) == "KubeletPinsCpus"


def test_an_object_that_somebody_removed_is_made_again(api: FakeApiServer, tmp_path: Path) -> None:
    often = Timing(first_s=0, settle_s=0, pause_s=0.01, look_s=0.02, refresh_s=0.1)
    with publishing(api, make_state(), tmp_path, often):
        until(lambda: "status" in api.objects.get("worker-1", {}), "the first write")
        del api.objects["worker-1"]
        until(lambda: "status" in api.objects.get("worker-1", {}), "another object")


def test_what_somebody_changed_or_removed_is_mended_by_the_next_change(
    api: FakeApiServer, tmp_path: Path
) -> None:
    state = make_state()
    with publishing(api, state, tmp_path):
        until(lambda: "status" in api.objects.get("worker-1", {}), "the first write")
        api.objects["worker-1"]["status"]["sets"] = []
        state.set_policy(Policy.STATIC)
        until(lambda: api.objects["worker-1"]["status"]["sets"], "the sets")
        del api.objects["worker-1"]
        state.set_policy(Policy.NONE)
        until(lambda: "status" in api.objects.get("worker-1", {}), "another object")


@pytest.mark.parametrize("together_s", [1.0, 3600.0, Timing().refresh_s])
def test_five_thousand_agents_at_rest_ask_for_less_than_a_request_a_second(
    together_s: float,
) -> None:
    nodes, days, minutes = 5000, 2, 10
    random = Random(1)
    writes: Counter[int] = Counter()
    for _ in range(nodes):
        at_s = random.random() * together_s  # all were new, or were away, at the same time
        while (at_s := at_s + some_of(Timing().refresh_s, random)) < days * 86400:
            writes[int(at_s / (minutes * 60))] += 1

    assert max(writes.values()) / (minutes * 60) <= 1
    assert sum(writes.values()) / (days * 86400) <= 0.7


def test_an_api_server_that_comes_back_is_not_crowded() -> None:
    nodes, away_s, window_s = 5000, 1800, 5
    random = Random(1)
    tries: Counter[int] = Counter()
    for _ in range(nodes):
        at_s, retries = 0.0, backoff.delays(Timing().retry_first_s, Timing().retry_ceiling_s)
        while at_s < away_s:
            at_s += some_of(next(retries), random)
        tries[int(at_s / window_s)] += 1

    assert max(tries.values()) / window_s <= 100, "tries a second"


def test_what_is_refused_is_tried_again_and_told_meanwhile(
    api: FakeApiServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = make_state()
    api.answers += [(403, '{"message": "no"}')] * 3

    def refused() -> list[str]:
        found = state.snapshot().refusals
        return [one.message for one in found if one.reason is Reason.NOT_PUBLISHED]

    with caplog.at_level(logging.INFO), publishing(api, state, tmp_path):
        until(refused, "a refusal")
        assert "status 403: no" in refused()[0]
        until(lambda: "worker-1" in api.objects and not refused(), "success")
    assert state.counters.now().counts[Count.PUBLISHING_FAILURES, ""] == 3

    assert api.objects["worker-1"]["status"]["refusals"] == []
    assert [one.getMessage() for one in caplog.records].count("NodeCpuTopology not written") == 3
    assert gives_out(state), "an object that is not written keeps no worker away"


def test_a_condition_keeps_its_time_over_writes(api: FakeApiServer, tmp_path: Path) -> None:
    state = make_state()
    with publishing(api, state, tmp_path):
        until(lambda: "status" in api.objects.get("worker-1", {}), "the first write")
        first = api.objects["worker-1"]["status"]
        state.runtime_told(Told("containerd", "2.4.3"))
        state.runtime_synchronized()
        until(lambda: api.objects["worker-1"]["status"] != first, "the second write")

    assert api.objects["worker-1"]["status"]["versions"]["runtimeVersion"] == "2.4.3"
    assert api.objects["worker-1"]["status"]["conditions"] == first["conditions"]


def test_it_ends_at_once_wherever_it_waits(api: FakeApiServer, tmp_path: Path) -> None:
    long_s = 10 * PATIENCE_S
    slow = Timing(first_s=long_s, settle_s=long_s, pause_s=long_s, look_s=long_s)
    with publishing(api, make_state(), tmp_path, slow):
        pass

    assert api.requests == []
