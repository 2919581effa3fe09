"""However slowly an API server reads or answers, a write of the node's object ends in time."""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from numalocal_deviceplugin.errors import PublishFailed
from numalocal_deviceplugin.node.publisher import Publisher

from ...slow_answers import ANSWERS
from ..waiting import PATIENCE_S

STATUS = {"idle": "shared"}
EVERY_S = 0.05


Serve = Callable[[socket.socket, threading.Event], None]


@contextmanager
def serving(serve: Serve, folder: Path, write_s: float) -> Iterator[Publisher]:
    """Serve one connection; give who writes to it, whose socket alone would be patient."""
    done = threading.Event()
    (folder / "token").write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accepted() -> None:
            peer, _ = server.accept()
            with peer, suppress(OSError):
                serve(peer, done)

        thread = threading.Thread(target=accepted, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        yield Publisher(
            lambda: HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S),
            folder / "token",
            "worker-1",
            write_s,
        )
        done.set()
        thread.join(PATIENCE_S)


def said(answer: Iterable[bytes], every_s: float) -> Serve:
    def serve(peer: socket.socket, done: threading.Event) -> None:
        peer.recv(65536)
        for part in answer:
            peer.sendall(part)
            done.wait(every_s)

    return serve


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_dribbles_is_a_failure_to_publish(
    tmp_path: Path, answer: list[bytes]
) -> None:
    with serving(said(answer, EVERY_S), tmp_path, write_s=0.5) as publisher:
        began_s = time.monotonic()
        with pytest.raises(PublishFailed):
            publisher.publish(STATUS)
        assert 0.3 < time.monotonic() - began_s < PATIENCE_S


def test_an_api_server_that_hardly_reads_is_a_failure_to_publish(tmp_path: Path) -> None:
    def serve(peer: socket.socket, done: threading.Event) -> None:
        while not done.wait(EVERY_S):
            peer.recv(512)

    with serving(serve, tmp_path, write_s=0.5) as publisher, pytest.raises(PublishFailed):
        publisher.publish({"large": "x" * (32 << 20)})


def test_all_calls_of_a_write_share_its_time(tmp_path: Path) -> None:
    """An API server that answers each but slowly must not hold a write three times as long."""
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"
    calls = []

    def serve(peer: socket.socket, done: threading.Event) -> None:
        while data := peer.recv(65536):
            calls.append(data)
            done.wait(0.6)
            peer.sendall(answer)

    with serving(serve, tmp_path, write_s=1.0) as publisher, pytest.raises(PublishFailed):
        publisher.publish(STATUS)
    assert b"PATCH" in calls[0]


def test_an_answer_that_comes_slowly_but_in_time_is_taken(tmp_path: Path) -> None:
    answer = [b"HTTP/1.1 200 OK\r\n", b"Content-Length: 10\r\n", b"\r\n", b'{"a": ', b'"b"}']

    with serving(said(answer, 0.1), tmp_path, write_s=PATIENCE_S) as publisher:
        publisher.publish(STATUS)
