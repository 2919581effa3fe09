"""The connection to the API server, and the gate before it that only a leader's writes pass."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlencode

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3 import BaseHTTPResponse, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from numalocal.errors import NumalocalError

UNSENT_MS: Final = 4000
"""When the kernel throws away what a peer has not acknowledged: a write that the network holds back
must not arrive once another leads."""
_CONNECTIONS: Final = 12
"""At least one for each call that may go on at a time."""
TIMEOUT_S: Final = 20.0
LOGIN_S: Final = 30.0
"""How old the token may be that a call carries: it is replaced minutes before it expires."""
JSON: Final = "application/json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
_CHUNK: Final = 1 << 16
_WELL: Final = range(200, 300)
_UNAUTHORIZED: Final = 401
_READS: Final = ("GET", "HEAD", "OPTIONS")


class NotLeading(NumalocalError):
    """A write that was not sent: another replica leads, or may soon."""


class Gate:
    """Lets requests that change something out while it is open, and counts those without answer."""

    def __init__(self, is_open: Callable[[], bool] = lambda: True) -> None:
        self._is_open = is_open
        self._out = 0
        self._changed = threading.Condition()

    def check(self, method: str) -> None:
        """Let a request pass.

        Raises:
            NotLeading: where it would change something, and the gate is closed.
        """
        if method not in _READS and not self._is_open():
            raise NotLeading("another replica leads: nothing was written")

    @contextmanager
    def passing(self, method: str) -> Iterator[None]:
        """Count a request that changes something until it has its answer."""
        if method in _READS:
            yield
            return
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def emptied(self, timeout_s: float) -> bool:
        """Wait until every request that is out has its answer; False where one has none yet."""
        with self._changed:
            return self._changed.wait_for(lambda: self._out == 0, timeout_s)

    def _count(self, step: int) -> None:
        with self._changed:
            self._out += step
            self._changed.notify_all()


def connect(gate: Gate | None = None, *, connections: int = _CONNECTIONS) -> client.ApiClient:
    """Make a client of the API server that is logged in to; every call is tried once.

    Whether a request may pass is asked right before its bytes go out: behind a handshake, a queue
    of connections or a long JSON document the answer could be an old one.
    """
    settings = client.Configuration.get_default_copy()
    settings.retries = False
    settings.connection_pool_maxsize = connections
    settings.socket_options = [
        *HTTPConnection.default_socket_options,
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNSENT_MS),
    ]
    api = client.ApiClient(settings)
    guard(api, gate or Gate())
    return api


def guard(api: client.ApiClient, gate: Gate) -> None:
    """Put a gate before all that a client sends."""
    api.rest_client.pool_manager.pool_classes_by_scheme = {
        "http": type("GatedHttp", (_HttpPool,), {"gate": gate}),
        "https": type("GatedHttps", (_HttpsPool,), {"gate": gate}),
    }


class Connection:
    """Calls with plain mappings.  The client's own classes of calls load 20 MB of models."""

    def __init__(self, api: client.ApiClient) -> None:
        self._settings: Any = api.configuration
        # The API server's audit log and every object's managedFields name the writer by this.
        self._agent = "numalocal-operator"
        self._pool: Any = api.rest_client.pool_manager
        self._login: Mapping[str, str] = {}
        self._login_until_s = float("-inf")

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        kind: str = JSON,
        accept: str = JSON,
        query: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> dict[str, Any]:
        """Call once, and give the answer; it has come whole when the time is over, or not at all.

        The client's own calls cost as much again.

        Raises:
            ApiException: for an answer that is a refusal.
            NotLeading: for a write that did not go out.
        """
        url = f"{self._settings.host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": accept, "Content-Type": kind, "User-Agent": self._agent}
        headers |= self._logged_in()
        until_s = time.monotonic() + timeout_s
        answer = self._pool.request(
            method,
            url,
            body=None if body is None else json.dumps(body, separators=(",", ":")).encode(),
            headers=headers,
            timeout=Timeout(total=timeout_s),
            retries=False,
            preload_content=False,
        )
        data = _read(answer, until_s)
        if answer.status == _UNAUTHORIZED:
            self._login_until_s = float("-inf")
        if answer.status not in _WELL:
            error = ApiException(status=answer.status, reason=answer.reason)
            error.body = data.decode(errors="replace")
            raise error
        found: dict[str, Any] = json.loads(data)
        return found

    def _logged_in(self) -> Mapping[str, str]:
        """Give the headers that say who calls; the client takes a millisecond to tell them."""
        now_s = time.monotonic()
        if now_s >= self._login_until_s:
            told = self._settings.auth_settings().values()
            self._login = {one["key"]: one["value"] for one in told}
            self._login_until_s = now_s + LOGIN_S
        return self._login


def _read(answer: BaseHTTPResponse, until_s: float) -> bytes:
    """Read an answer to its end, or until its time is over, however slowly it comes."""
    parts: list[bytes] = []
    while part := answer.read1(_CHUNK):
        parts.append(part)
        if time.monotonic() > until_s:
            answer.close()
            raise TimeoutError("the answer takes too long")
    answer.release_conn()
    return b"".join(parts)


class _Gated:
    """Asks before each part of a request: its headers, its body."""

    gate: Gate
    _method = "GET"

    def putrequest(self, method: str, *arguments: Any, **named: Any) -> None:
        self._method = method
        super().putrequest(method, *arguments, **named)  # type: ignore[misc] # of http.client

    def send(self, data: Any) -> None:
        if self.sock is None:  # type: ignore[attr-defined] # of http.client
            self.connect()  # type: ignore[attr-defined]
        self.gate.check(self._method)
        super().send(data)  # type: ignore[misc]


class _Http(_Gated, HTTPConnection):
    pass


class _Https(_Gated, HTTPSConnection):
    pass


class _Counted:
    gate: Gate

    def urlopen(self, method: str, *arguments: Any, **named: Any) -> Any:
        with self.gate.passing(method):
            return super().urlopen(method, *arguments, **named)  # type: ignore[misc] # of urllib3

    def _new_conn(self) -> Any:
        made = super()._new_conn()  # type: ignore[misc]
        made.gate = self.gate
        return made


class _HttpPool(_Counted, HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(_Counted, HTTPSConnectionPool):
    ConnectionCls = _Https
