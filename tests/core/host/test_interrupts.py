import os
import signal
from collections.abc import Iterator

import pytest

from numalocal.host.interrupts import Interrupts

REQUESTS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """Ignore none of them: a shell starts what goes on in its background without SIGINT."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in REQUESTS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_requests_are_noted_in_their_order_and_raise_nothing() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts() as interrupts:
        for number in REQUESTS:
            os.kill(os.getpid(), number)

    assert interrupts.came == list(REQUESTS)
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_was_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert interrupts.came == []
    finally:
        signal.signal(signal.SIGHUP, before)
