"""What watches ends for many reasons, and is started again; nothing of ours ends with it."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import kopf
import pytest

from numalocal_operator.session import paced
from numalocal_operator.watching import Watch, kopf_operator

from .fake_watches import GROUP, VERSION, FakeWatches, serving, thing
from .waiting import PATIENCE_S


def until(holds: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def test_what_ends_or_fails_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    runs: list[int] = []

    async def operate(stop: asyncio.Event) -> None:
        runs.append(threading.get_ident())
        match len(runs):
            case 1:
                raise RuntimeError("an ERROR in the watch:\n  internal")
            case 2:
                raise asyncio.CancelledError
            case 3:
                return
            case _:
                await stop.wait()

    with caplog.at_level(logging.WARNING):
        watch = Watch(operate, first_retry_s=0.01)
        watch.start()
        until(lambda: len(runs) == 4)
        assert watch.lives
        watch.stop(PATIENCE_S)

    assert not watch.lives
    assert len(runs) == 4
    assert set(runs) != {threading.get_ident()}, "in a thread of its own"
    told = [vars(one) for one in caplog.records if one.getMessage() == "watches ended"]
    assert [one["err"] for one in told] == [
        "RuntimeError: an ERROR in the watch: internal",
        "CancelledError: ",
        "without a word",
    ]
    assert [one["retry_s"] for one in told] == [0.01, 0.02, 0.04]


def test_it_stops_while_it_waits_for_its_next_try() -> None:
    runs: list[int] = []

    async def operate(_stop: asyncio.Event) -> None:
        runs.append(1)
        raise RuntimeError

    watch = Watch(operate, first_retry_s=10 * PATIENCE_S)
    watch.start()
    until(lambda: runs)
    began_s = time.monotonic()
    watch.stop(PATIENCE_S)

    assert time.monotonic() - began_s < PATIENCE_S
    assert not watch.lives
    assert len(runs) == 1


def test_a_stop_that_comes_first_is_not_lost() -> None:
    async def operate(stop: asyncio.Event) -> None:
        await stop.wait()

    watch: Watch = Watch(operate)
    began_s = time.monotonic()
    watch.start()
    watch.stop(PATIENCE_S)

    assert time.monotonic() - began_s < PATIENCE_S
    assert not watch.lives


def test_what_cancels_all_younger_tasks_as_kopf_does_leaves_the_pulse() -> None:
    runs: list[int] = []

    async def operate(stop: asyncio.Event) -> None:
        runs.append(1)
        existing = asyncio.all_tasks()
        younger = asyncio.create_task(asyncio.sleep(3600))
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - existing:
            task.cancel()
        assert younger.cancelling()
        await stop.wait()

    watch = Watch(operate)
    watch.start()
    until(lambda: runs)
    time.sleep(0.1)
    assert watch.lives
    watch.stop(PATIENCE_S)


def test_one_that_does_not_heed_the_stop_holds_nobody() -> None:
    entered, leave = threading.Event(), threading.Event()

    async def operate(_stop: asyncio.Event) -> None:
        entered.set()
        leave.wait(PATIENCE_S)

    watch = Watch(operate)
    watch.start()
    assert entered.wait(PATIENCE_S)
    watch.stop(0.01)

    assert watch.lives, "nobody has waited for its end"
    leave.set()
    watch.stop(PATIENCE_S)


@dataclass
class Scene:
    """kopf, as it watches a fake API server, and what its handler has heard."""

    fake: FakeWatches
    heard: list[str | None]
    logins: int = 0

    def registry(self) -> kopf.OperatorRegistry:
        """Make a registry with one handler, and with no patience for a server that is busy."""
        made = kopf.OperatorRegistry()

        @kopf.on.login(registry=made)
        async def login(**_: Any) -> kopf.AiohttpSession:
            self.logins += 1
            return paced(kopf.ConnectionInfo(server=self.fake.url))

        @kopf.on.startup(registry=made)
        async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
            settings.posting.enabled = False
            settings.peering.standalone = True
            settings.networking.error_backoffs = [0.01]
            settings.queueing.idle_timeout = 0.05  # its end waits for those who may hear more

        @kopf.on.event(GROUP, VERSION, "things", registry=made)
        async def changed(type: str | None, **_: Any) -> None:  # noqa: A002 - kopf's name
            self.heard.append(type)

        return made


@pytest.fixture
def scene() -> Iterator[Scene]:
    logging.getLogger("kopf").setLevel(logging.CRITICAL)
    with serving() as fake:
        made = Scene(fake, [])
        watch = Watch(kopf_operator(made.registry, ""), first_retry_s=0.05)
        watch.start()
        until(lambda: made.heard and fake.watches)
        yield made
        watch.stop(PATIENCE_S)
        assert not watch.lives
    logging.getLogger("kopf").setLevel(logging.NOTSET)


def an_error(scene: Scene) -> None:
    """The API server says in a watch that it cannot go on."""
    status = {"kind": "Status", "code": 500, "message": "etcd is away"}
    scene.fake.said = [{"type": "ERROR", "object": status}]


def busy(scene: Scene) -> None:
    """A list is refused for longer than it is tried."""
    scene.fake.list_status = 503
    expire(scene)


def refused(scene: Scene) -> None:
    """The token is no longer taken, and there is no other."""
    scene.fake.list_status = 401
    expire(scene)


def gone(scene: Scene) -> None:
    """The kind is deleted."""
    scene.fake.list_status = 404
    expire(scene)


def expire(scene: Scene) -> None:
    status = {"kind": "Status", "code": 410, "message": "too old"}
    scene.fake.said = [{"type": "ERROR", "object": status}]


@pytest.mark.parametrize("fault", [an_error, busy, refused, gone])
def test_what_ends_kopf_ends_no_operator(
    fault: Callable[[Scene], None], scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    fault(scene)
    # The open watch ends as the server's time for it is over, and the next one tells.
    scene.fake.drop()
    until(lambda: any(one.getMessage() == "watches ended" for one in caplog.records))
    scene.fake.list_status = 200
    before = len(scene.heard)

    until(lambda: len(scene.heard) > before)
    scene.fake.said = [{"type": "MODIFIED", "object": thing(2)}]
    scene.fake.drop()

    until(lambda: scene.heard[-1] == "MODIFIED")
