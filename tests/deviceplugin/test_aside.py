import io
import logging
import threading
import time
from collections.abc import Iterator

import pytest

from numalocal_deviceplugin.aside import Aside

from .waiting import PATIENCE_S


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    made = logging.getLogger("of-test-aside")
    made.propagate = False
    made.setLevel(logging.DEBUG)
    yield made
    made.handlers.clear()


class Stuck(logging.Handler):
    """Wait as a write to a pipe does that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.read = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.read.wait(2 * PATIENCE_S)


def test_who_logs_does_not_wait_for_who_reads(log: logging.Logger) -> None:
    stuck = Stuck()
    aside = Aside(stuck)
    log.addHandler(aside)
    started_s = time.monotonic()

    for number in range(6000):
        log.error("a line of a log %d", number)

    assert time.monotonic() - started_s < PATIENCE_S
    started_s = time.monotonic()
    aside.close()
    assert time.monotonic() - started_s < PATIENCE_S
    stuck.read.set()


def test_what_is_logged_is_written_in_order_before_the_end(log: logging.Logger) -> None:
    stream = io.StringIO()
    aside = Aside(logging.StreamHandler(stream))
    log.addHandler(aside)

    for number in range(100):
        log.info("%d", number)
    aside.close()

    assert stream.getvalue().split() == [str(number) for number in range(100)]


def test_a_trace_reaches_the_other_handler_as_it_was(log: logging.Logger) -> None:
    seen: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    aside = Aside(Keep())
    log.addHandler(aside)
    log.error("failed", exc_info=ZeroDivisionError(), extra={"part": "nri"})
    aside.close()

    (record,) = seen
    assert record.exc_info
    assert record.exc_info[0] is ZeroDivisionError
    assert vars(record)["part"] == "nri"
