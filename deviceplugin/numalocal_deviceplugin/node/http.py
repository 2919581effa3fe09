"""A small HTTP server for probes and metrics, which no client holds up.

One thread serves all connections, one request each.  Whoever sends slowly, much or nothing loses
its connection after a few seconds, and the oldest where there are too many, so a probe always gets
through; nothing is read that is longer than a probe's request.
"""

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from numalocal_deviceplugin.config import Address
from numalocal_deviceplugin.errors import CannotListen

log = logging.getLogger(__name__)


class Response(NamedTuple):
    """A status, a body and what kind of text it is."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


Route = Callable[[], Response]

_PHRASES: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_MOST_BYTES: Final = 8192
_MOST_CONNECTIONS: Final = 64
_WORDS: Final = 3
_TURN_S: Final = 1.0
_REST_S: Final = 30.0
"""Where nobody is connected: then only who connects, or stops us, is waited for."""
_PAUSE_S: Final = 0.05


@dataclass(slots=True)
class _Client:
    """A connection: `asked` until the request is whole, `answer` what is still to be sent.

    An `answer` of None is one that is not known yet, and an empty one has been sent: what the other
    side sends after that is read and dropped, as closing on it would take the answer back.
    """

    sock: socket.socket
    until_s: float
    asked: bytes = b""
    answer: memoryview | None = None


class HttpServer:
    """Serve each path by a function; a path of none is 404, a function that raises 500."""

    def __init__(
        self, address: Address, routes: Mapping[str, Route], *, patience_s: float = 5.0
    ) -> None:
        self._routes = routes
        self._patience_s = patience_s
        self._clients: dict[int, _Client] = {}
        self._selector = selectors.DefaultSelector()
        self._listener = _listening(address)
        self._woken, self._waker = socket.socketpair()
        self.port: int = self._listener.getsockname()[1]

    def run(self, stop: threading.Event) -> None:
        """Serve until told to stop; then close everything."""
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        try:
            while not stop.is_set():
                for key, _ in self._selector.select(_TURN_S if self._clients else _REST_S):
                    if key.fileobj is not self._woken:
                        client = self._clients.get(key.fd)
                        self._accept() if client is None else self._serve(client)
                self._end_overdue()
        finally:
            for client in tuple(self._clients.values()):
                self._end(client)
            self._selector.close()
            for one in (self._listener, self._woken, self._waker):
                one.close()

    def wake(self) -> None:
        """Let it see at once that it is told to stop; it has to be told before."""
        with contextlib.suppress(OSError):  # it has ended of itself
            self._waker.shutdown(socket.SHUT_WR)

    def _accept(self) -> None:
        for _ in range(_MOST_CONNECTIONS):
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:  # it has gone again, or there are no descriptors left
                time.sleep(_PAUSE_S)
                return
            sock.settimeout(0)
            if len(self._clients) >= _MOST_CONNECTIONS:
                self._end(next(iter(self._clients.values())))
            client = _Client(sock, time.monotonic() + self._patience_s)
            self._clients[sock.fileno()] = client
            self._selector.register(sock, selectors.EVENT_READ)
            self._serve(client)  # who has asked already: in a crowd it would soon be the oldest

    def _serve(self, client: _Client) -> None:
        try:
            if client.answer:
                self._send(client)
            else:
                self._receive(client)
        except BlockingIOError:
            return
        except OSError:
            self._end(client)

    def _receive(self, client: _Client) -> None:
        data = client.sock.recv(_MOST_BYTES)
        if not data:
            self._end(client)
        elif client.answer is None:
            client.asked += data
            if (response := self._response(client.asked)) is not None:
                client.answer = memoryview(_encoded(response))
                self._selector.modify(client.sock, selectors.EVENT_WRITE)
                self._send(client)

    def _send(self, client: _Client) -> None:
        assert client.answer is not None
        client.answer = client.answer[client.sock.send(client.answer) :]
        if not client.answer:
            client.sock.shutdown(socket.SHUT_WR)
            self._selector.modify(client.sock, selectors.EVENT_READ)

    def _response(self, asked: bytes) -> Response | None:
        """Answer a request; None while it is not whole."""
        head = asked.replace(b"\r\n", b"\n")
        if b"\n\n" not in head:
            return Response(431, b"too long\n") if len(asked) > _MOST_BYTES else None
        words = head.split(b"\n", 1)[0].split(b" ")
        if len(words) != _WORDS or not words[2].startswith(b"HTTP/1."):
            return Response(400, b"not HTTP/1\n")
        if words[0] != b"GET":
            return Response(405, b"GET alone\n")
        path = words[1].partition(b"?")[0].decode("ascii", "replace")
        route = self._routes.get(path)
        if route is None:
            return Response(404, f"there are {', '.join(self._routes)}\n".encode())
        try:
            return route()
        except Exception:  # a mistake in what is told must not end what is served
            log.exception("request failed", extra={"path": path})
            return Response(500, b"the agent made a mistake; see its log\n")

    def _end_overdue(self) -> None:
        now_s = time.monotonic()
        for client in [one for one in self._clients.values() if one.until_s <= now_s]:
            self._end(client)

    def _end(self, client: _Client) -> None:
        del self._clients[client.sock.fileno()]
        self._selector.unregister(client.sock)
        client.sock.close()


def _listening(address: Address) -> socket.socket:
    """Listen; without a host on IPv6 and IPv4 both, as far as the machine has them."""
    both = not address.host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both or ":" in address.host else socket.AF_INET
    try:
        listener = socket.create_server(
            (address.host, address.port), family=family, dualstack_ipv6=both, backlog=512
        )
    except OSError as error:
        raise CannotListen(
            f"--http-address: cannot listen at {address.host}:{address.port}: {error.strerror}; "
            "give another address"
        ) from error
    listener.settimeout(0)
    return listener


def _encoded(response: Response) -> bytes:
    head = (
        f"HTTP/1.1 {response.status} {_PHRASES.get(response.status, '')}\r\n"
        f"Content-Type: {response.content_type}\r\n"
        f"Content-Length: {len(response.body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + response.body
