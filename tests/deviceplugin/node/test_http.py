import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

import pytest

from numalocal_deviceplugin.config import Address
from numalocal_deviceplugin.errors import CannotListen
from numalocal_deviceplugin.node.http import HttpServer, Response

from ..waiting import PATIENCE_S

LARGE = b"x" * (4 << 20)


def fail() -> Response:
    raise KeyError("a mistake")


ROUTES = {
    "/livez": lambda: Response(200, b"ok\n"),
    "/readyz": lambda: Response(503, b"no\n"),
    "/metrics": lambda: Response(200, LARGE, "text/plain; version=0.0.4"),
    "/fails": fail,
}


@contextmanager
def serving(host: str = "127.0.0.1", patience_s: float = PATIENCE_S) -> Iterator[HttpServer]:
    server, stop = HttpServer(Address(host, 0), ROUTES, patience_s=patience_s), threading.Event()
    thread = threading.Thread(target=server.run, args=(stop,), daemon=True)
    thread.start()
    yield server
    stop.set()
    server.wake()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """Give a server that a client of a busy machine does not lose."""
    with serving() as found:
        yield found


@pytest.fixture
def impatient() -> Iterator[HttpServer]:
    """Give a server that soon ends what is not whole."""
    with serving(patience_s=0.1) as found:
        yield found


def get(server: HttpServer, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read()
    finally:
        connection.close()


def connect(server: HttpServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)


def raw(server: HttpServer, *pieces: bytes) -> bytes:
    with connect(server) as sock:
        for piece in pieces:
            sock.sendall(piece)
        answer = b""
        while data := sock.recv(65536):
            answer += data
        return answer


def test_each_path_is_served_by_its_function(server: HttpServer) -> None:
    assert get(server, "/livez") == (200, "text/plain; charset=utf-8", b"ok\n")
    assert get(server, "/readyz?verbose=1") == (503, "text/plain; charset=utf-8", b"no\n")


def test_an_answer_of_any_size_arrives_whole(server: HttpServer) -> None:
    assert get(server, "/metrics") == (200, "text/plain; version=0.0.4", LARGE)


def test_a_path_that_is_none_is_told_which_there_are(server: HttpServer) -> None:
    status, _, body = get(server, "/")

    assert status == 404
    assert body == b"there are /livez, /readyz, /metrics, /fails\n"


@pytest.mark.parametrize("method", ["POST", "HEAD", "DELETE", "get"])
def test_only_get_is_served(server: HttpServer, method: str) -> None:
    assert get(server, "/livez", method)[0] == 405


def test_a_function_that_raises_is_an_error_of_one_request(
    server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert get(server, "/fails")[0] == 500
    assert "request failed" in caplog.text
    assert get(server, "/livez")[0] == 200


@pytest.mark.parametrize(
    "request_line",
    [b"", b"GET", b"GET /livez", b"GET /livez HTTP/2.0", b"GET  /livez HTTP/1.1", b"\xff\0\x80"],
)
def test_what_is_not_http_is_refused(server: HttpServer, request_line: bytes) -> None:
    assert raw(server, request_line + b"\r\n\r\n").startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_request_may_come_in_pieces(server: HttpServer) -> None:
    pieces = [bytes([one]) for one in b"GET /livez HTTP/1.0\n\n"]

    assert raw(server, *pieces).endswith(b"\r\n\r\nok\n")


def test_a_request_that_never_ends_is_refused(server: HttpServer) -> None:
    assert raw(server, b"GET /livez HTTP/1.1\r\n", b"X: y\r\n" * 2000).startswith(b"HTTP/1.1 431 ")


def test_a_client_that_says_nothing_loses_its_connection(impatient: HttpServer) -> None:
    assert raw(impatient) == b""


def test_a_client_that_trickles_gets_no_more_time(impatient: HttpServer) -> None:
    with connect(impatient) as sock:
        began_s = time.monotonic()
        with pytest.raises(OSError):  # noqa: PT011, PT012 - a reset or a broken pipe
            while time.monotonic() - began_s < PATIENCE_S:
                sock.sendall(b"x")
                time.sleep(0.02)


def test_a_client_that_does_not_read_holds_up_nobody(server: HttpServer) -> None:
    with connect(server) as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert get(server, "/livez")[0] == 200


def test_hundreds_of_silent_clients_hold_up_nobody(server: HttpServer) -> None:
    silent = [connect(server) for _ in range(300)]
    try:
        for _ in range(5):
            assert get(server, "/livez")[0] == 200
    finally:
        for sock in silent:
            sock.close()


def test_a_request_in_a_crowd_of_silent_clients_is_answered() -> None:
    """More come before and behind it than are kept: who has asked already must not make room."""
    server, stop = HttpServer(Address("127.0.0.1", 0), ROUTES), threading.Event()
    crowd = [connect(server) for _ in range(100)]
    probe = connect(server)
    probe.sendall(b"GET /livez HTTP/1.1\r\n\r\n")
    crowd += [connect(server) for _ in range(200)]
    thread = threading.Thread(target=server.run, args=(stop,))
    thread.start()
    try:
        assert probe.recv(65536).startswith(b"HTTP/1.1 200 ")
    finally:
        stop.set()
        server.wake()
        thread.join(PATIENCE_S)
        for sock in (probe, *crowd):
            sock.close()


def test_a_client_that_goes_away_is_forgotten(server: HttpServer) -> None:
    for _ in range(100):
        with connect(server) as sock:
            sock.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")

    assert get(server, "/livez")[0] == 200


def test_without_a_host_both_families_are_served() -> None:
    hosts = ["127.0.0.1", "::1"] if socket.has_dualstack_ipv6() else ["127.0.0.1"]
    with serving(host="") as server:
        for host in hosts:
            with socket.create_connection((host, server.port), timeout=PATIENCE_S) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert sock.recv(100).startswith(b"HTTP/1.1 404")


def test_a_server_that_is_told_to_stop_and_woken_does_not_wait_for_its_turn() -> None:
    """Its turn is a second; the best of ten counts, as the machine may be slow."""

    def lived_s() -> float:
        began_s = time.monotonic()
        with serving():
            pass
        return time.monotonic() - began_s

    assert min(lived_s() for _ in range(10)) < 0.5


def test_waking_a_server_that_has_ended_is_no_mistake() -> None:
    with serving() as server:
        pass

    server.wake()


def test_an_address_that_is_taken_ends_the_start_with_a_sentence(server: HttpServer) -> None:
    with pytest.raises(CannotListen, match=r"cannot listen at 127.0.0.1:\d+: .*in use"):
        HttpServer(Address("127.0.0.1", server.port), {})
