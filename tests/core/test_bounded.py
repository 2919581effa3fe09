import socket
import time

import pytest

from numalocal import bounded
from numalocal.bounded import left_s


def test_what_is_left_of_a_time_is_counted_down_and_then_raises() -> None:
    assert 0 < left_s(time.monotonic() + 60) <= 60
    with pytest.raises(TimeoutError):
        left_s(time.monotonic())


def test_an_answer_is_read_by_its_time_whatever_the_sockets_own_patience() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(None)
        theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell")
        with bounded.answer(ours, until_s=time.monotonic() + 60) as answer:
            answer.begin()
            assert (answer.status, answer.read()) == (200, b"well")

        theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwe")
        with bounded.answer(ours, until_s=time.monotonic() + 0.3) as answer:
            answer.begin()
            with pytest.raises(TimeoutError):
                answer.read()
