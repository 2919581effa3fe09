"""The connection by which all is called, and the gate before what changes something."""

import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from numalocal_operator.api.connection import Connection, connect
from numalocal_operator.api.gate import Gate, NotLeading
from numalocal_operator.webhook.authority import Credentials, renewed

from ...slow_answers import ANSWERS, WELL, bytes_of
from ..fake_api import PODS, FakeApi
from ..waiting import PATIENCE_S

POD = {"metadata": {"name": "p", "namespace": "serving"}}


class Door:
    """A gate whose answer a test changes."""

    def __init__(self) -> None:
        self.is_open = True
        self.asked = 0
        self.closes_after = 99

    def __call__(self) -> bool:
        self.asked += 1
        return self.is_open and self.asked <= self.closes_after


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def gate(door: Door) -> Gate:
    return Gate(door)


@pytest.fixture
def connection(api: FakeApi, gate: Gate) -> Iterator[Connection]:
    settings = client.Configuration()
    settings.host = api.url
    client.Configuration.set_default(settings)
    try:
        with connect(gate) as made:
            yield Connection(made)
    finally:
        client.Configuration.set_default(None)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_no_byte_of_a_write_leaves_a_closed_gate(
    api: FakeApi, connection: Connection, door: Door, method: str
) -> None:
    door.is_open = False

    with pytest.raises(NotLeading):
        connection.call(method, PODS, POD)

    assert api.requests == []


def test_what_only_reads_asks_nobody(api: FakeApi, connection: Connection, door: Door) -> None:
    door.is_open = False

    assert "items" in connection.call("GET", PODS)
    assert door.asked == 0


def test_a_gate_that_closes_between_head_and_body_lets_no_whole_request_out(
    api: FakeApi, connection: Connection, door: Door
) -> None:
    door.closes_after = 1

    with pytest.raises(NotLeading):
        connection.call("POST", PODS, POD)

    assert api.names(PODS) == []
    door.closes_after = 99
    connection.call("POST", PODS, POD)
    assert api.names(PODS) == ["p"]


def test_the_gate_is_asked_after_the_connection_was_made(
    api: FakeApi, connection: Connection, door: Door
) -> None:
    """A handshake may take seconds: an answer from before it would be an old one."""
    connection.call("POST", PODS, POD)

    assert door.asked == 2, "for the head and for the body, on a new connection as well"


def test_a_write_is_out_until_it_has_its_answer(
    api: FakeApi, connection: Connection, gate: Gate
) -> None:
    entered, leave = threading.Event(), threading.Event()
    answer = api.answer

    def slowly(method: str, url: str, body: object) -> tuple[int, dict[str, object]]:
        entered.set()
        leave.wait(PATIENCE_S)
        return answer(method, url, body)

    api.answer = slowly  # type: ignore[method-assign]
    thread = threading.Thread(target=connection.call, args=("POST", PODS, POD))
    thread.start()
    assert entered.wait(PATIENCE_S)

    assert not gate.emptied(0.01)
    leave.set()
    assert gate.emptied(PATIENCE_S)
    thread.join()


def test_a_refusal_is_raised_with_what_the_api_server_says(
    api: FakeApi, connection: Connection
) -> None:
    api.refusals["POST", PODS] = (403, "quota")

    with pytest.raises(ApiException) as raised:
        connection.call("POST", PODS, POD)

    assert raised.value.status == 403
    assert "quota" in str(raised.value.body)


def test_a_call_is_tried_once_and_ends_in_its_time(api: FakeApi, connection: Connection) -> None:
    calls = []
    entered, leave = threading.Event(), threading.Event()

    def never(method: str, url: str, body: object) -> tuple[int, dict[str, object]]:
        calls.append(method)
        entered.set()
        leave.wait(2 * PATIENCE_S)
        return 200, {}

    api.answer = never  # type: ignore[method-assign]
    began_s = time.monotonic()

    with pytest.raises(HTTPError):
        connection.call("GET", PODS, timeout_s=0.3)

    assert time.monotonic() - began_s < PATIENCE_S
    assert entered.wait(PATIENCE_S)
    time.sleep(0.3)
    leave.set()
    assert calls == ["GET"]


@contextmanager
def dribbling(
    answer: Iterable[bytes], every_s: float, folder: Path | None = None
) -> Iterator[tuple[Connection, list[bytes]]]:
    """Serve an answer in pieces; give a connection to it, and what was asked.

    With a folder for its certificate it is served by TLS.
    """
    asked: list[bytes] = []
    settings = client.Configuration()
    with socket.create_server(("127.0.0.1", 0)) as plain, ExitStack() as left_at_end:
        server = plain
        settings.host = f"http://127.0.0.1:{plain.getsockname()[1]}"
        if folder is not None:
            server = left_at_end.enter_context(secured(plain, folder))
            settings.host = settings.host.replace("http://127.0.0.1", "https://localhost")
            settings.ssl_ca_cert = str(folder / "ca")

        def serve() -> None:
            peer, _ = server.accept()
            with peer, suppress(OSError):
                asked.append(peer.recv(65536))
                for part in answer:
                    peer.sendall(part)
                    time.sleep(every_s)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        client.Configuration.set_default(settings)
        try:
            with connect() as made:
                yield Connection(made), asked
        finally:
            client.Configuration.set_default(None)
        thread.join(timeout=PATIENCE_S)


def secured(server: socket.socket, folder: Path) -> ssl.SSLSocket:
    made = renewed(Credentials(), ["localhost"], datetime.now(UTC))
    assert made is not None
    (folder / "ca").write_bytes(made.ca_bundle)
    (folder / "leaf").write_bytes(made.leaf + made.leaf_key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "leaf")
    return context.wrap_socket(server, server_side=True)


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_call_ends_in_time_however_slowly_its_answer_comes(answer: list[bytes]) -> None:
    with dribbling(answer, 0.05) as (connection, asked):
        began_s = time.monotonic()
        with pytest.raises(HTTPError):
            connection.call("GET", PODS, timeout_s=0.5)
        assert 0.3 < time.monotonic() - began_s < PATIENCE_S
    assert len(asked) == 1


def test_a_call_by_tls_ends_in_time_too(tmp_path: Path) -> None:
    answer = bytes_of(WELL * 200)

    with dribbling(answer, 0.05, tmp_path) as (connection, asked):
        began_s = time.monotonic()
        with pytest.raises(HTTPError, match="timed out"):
            connection.call("GET", PODS, timeout_s=2)  # a handshake is part of it
        assert 0.3 < time.monotonic() - began_s < PATIENCE_S
    assert len(asked) == 1


@pytest.mark.parametrize("by_tls", [False, True])
def test_an_answer_that_comes_slowly_but_in_time_is_taken_whole(
    tmp_path: Path,
    by_tls: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    answer = [WELL.encode(), b"Content-Length: 10\r\n", b"\r\n", b'{"a": ', b'"b"}']

    with dribbling(answer, 0.1, tmp_path if by_tls else None) as (connection, _):
        assert connection.call("GET", PODS, timeout_s=PATIENCE_S) == {"a": "b"}


def test_what_was_left_of_one_calls_time_is_not_the_time_of_the_next(
    api: FakeApi, connection: Connection
) -> None:
    """They share a socket, whose timeout is set to what is left."""
    answer, takes_s = api.answer, 0.0

    def slowly(method: str, url: str, body: object) -> tuple[int, dict[str, object]]:
        time.sleep(takes_s)
        return answer(method, url, body)

    api.answer = slowly  # type: ignore[method-assign]
    for _ in range(100):  # more than one where the machine is busy
        with suppress(HTTPError):
            connection.call("GET", PODS, timeout_s=0.5)
            break

    takes_s = 1.0
    assert "items" in connection.call("GET", PODS, timeout_s=PATIENCE_S)


def test_nobody_there_is_told_at_once_and_not_tried_again() -> None:
    settings = client.Configuration()
    settings.host = "http://127.0.0.1:1"
    client.Configuration.set_default(settings)
    try:
        with connect() as made, pytest.raises(HTTPError, match="refused"):
            Connection(made).call("GET", PODS)
    finally:
        client.Configuration.set_default(None)


def test_the_writer_gives_its_name(api: FakeApi, connection: Connection) -> None:
    connection.call("POST", PODS, POD)

    assert api.callers == {"numalocal-operator"}


def test_a_token_is_read_now_and_then_and_again_when_it_is_refused(
    api: FakeApi, gate: Gate
) -> None:
    read: list[str] = []

    def refresh(settings: client.Configuration) -> None:
        read.append("token")

    settings = client.Configuration()
    settings.host, settings.api_key = api.url, {"authorization": "Bearer token"}
    settings.refresh_api_key_hook = refresh  # type: ignore[assignment] # its type says None alone
    client.Configuration.set_default(settings)
    with connect(gate) as made:
        client.Configuration.set_default(None)
        connection = Connection(made)
        for _ in range(3):
            connection.call("GET", PODS)
        assert len(read) == 1
        api.refusals["GET", PODS] = 401, "Unauthorized"
        with pytest.raises(ApiException):
            connection.call("GET", PODS)
        del api.refusals["GET", PODS]

        connection.call("GET", PODS)

    assert len(read) == 2
