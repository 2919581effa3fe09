import logging
import re
import threading
from collections.abc import Callable

import pytest

from numalocal_deviceplugin.parts import Parts, Stop

from .waiting import PATIENCE_S, until


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_whoever_asks_whether_to_stop_is_alive() -> None:
    clock = Clock()
    stop = Stop(10, clock)
    clock.now_s += 11
    assert stop.silent_s == 11

    assert not stop.is_set()
    assert stop.silent_s == 0

    clock.now_s += 10.5
    assert not stop.wait(0)
    assert stop.silent_s == 0


def test_silence_within_the_limit_is_none() -> None:
    clock = Clock()
    stop = Stop(10, clock)

    clock.now_s += 10

    assert stop.silent_s == 0


def test_a_wait_ends_when_the_part_is_told_to_stop() -> None:
    stop = Stop()
    threading.Timer(0.02, stop.set).start()

    assert stop.wait(PATIENCE_S)
    assert stop.is_set()


def test_parts_run_until_they_are_told_to_stop() -> None:
    ended = threading.Event()
    parts = Parts(ended.set)
    parts.start("one", lambda stop: until(stop.is_set, "stopped"))
    parts.start("two", lambda stop: until(stop.is_set, "stopped"))

    parts.tell()

    assert parts.join(PATIENCE_S) == ()
    assert not parts.failed
    assert not ended.is_set()


def test_a_part_that_waits_for_something_else_is_woken_to_stop() -> None:
    woken, parts = threading.Event(), Parts(lambda: None)
    parts.start(
        "waits",
        lambda stop: until(lambda: woken.wait() and stop.is_set(), "stopped"),
        wake=woken.set,
    )

    parts.tell()

    assert parts.join(PATIENCE_S) == ()
    assert not parts.failed


def fail(_stop: Stop) -> None:
    raise KeyError("a mistake")


def end(_stop: Stop) -> None:
    return


@pytest.mark.parametrize(
    ("run", "message", "has_trace"),
    [
        (fail, "a part of the agent failed", True),
        (end, "a part of the agent ended of itself", False),
    ],
)
def test_a_part_that_ends_of_itself_is_told_once(
    run: Callable[[Stop], None],
    message: str,
    *,
    has_trace: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended = threading.Event()
    parts = Parts(ended.set)

    parts.start("bad", run)

    assert ended.wait(PATIENCE_S)
    assert parts.failed == "bad"
    (record,) = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert (record.message, bool(record.exc_info)) == (message, has_trace)


def test_the_first_part_that_failed_is_named() -> None:
    parts = Parts(lambda: None)
    for name in ("first", "second"):
        parts.start(name, fail)
        parts.join(PATIENCE_S)

    assert parts.failed == "first"


def test_a_part_that_hangs_is_named_and_not_waited_for() -> None:
    release = threading.Event()
    parts = Parts(lambda: None)
    parts.start("hangs", lambda _stop: until(release.is_set, "released"))
    parts.tell()

    assert parts.join(0.01) == ("hangs",)

    release.set()
    assert parts.join(PATIENCE_S) == ()


def test_a_part_that_asks_no_more_is_stale_after_its_own_limit() -> None:
    release = threading.Event()
    parts = Parts(lambda: None)
    parts.start("hangs", lambda _stop: until(release.is_set, "released"), limit_s=0.01)
    parts.start("waits", lambda _stop: until(release.is_set, "released"), limit_s=float("inf"))

    until(lambda: list(parts.stale()), "stale")

    (told,) = parts.stale()
    assert re.fullmatch(r"hangs: no sign of life for \d+ s", told)
    release.set()
