"""The gate before all that is sent to the API server, which only a leader's writes pass.

What is sent is asked about, and what is answered is waited for, in the classes of connections that
the client's pools make.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any, Final

from kubernetes import client
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from numalocal import bounded
from numalocal.errors import NumalocalError

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


def guard(api: client.ApiClient, gate: Gate) -> None:
    """Put a gate before all that a client sends."""
    api.rest_client.pool_manager.pool_classes_by_scheme = {
        "http": type("GatedHttp", (_HttpPool,), {"gate": gate}),
        "https": type("GatedHttps", (_HttpsPool,), {"gate": gate}),
    }


class _Gated:
    """Asks before each part of a request, its headers and its body; bounds the whole answer."""

    gate: Gate
    _method = "GET"

    def response_class(self, sock: Any, *arguments: Any, **named: Any) -> HTTPResponse:
        """Make what reads an answer: from its first byte to its last in what time is left."""
        left_s = self.timeout  # type: ignore[attr-defined] # of http.client
        if isinstance(left_s, int | float):
            return bounded.answer(sock, *arguments, until_s=time.monotonic() + left_s, **named)
        return HTTPResponse(sock, *arguments, **named)

    def putrequest(self, method: str, *arguments: Any, **named: Any) -> None:
        self._method = method
        super().putrequest(method, *arguments, **named)  # type: ignore[misc] # of http.client

    def send(self, data: Any) -> None:
        if self.sock is None:  # type: ignore[attr-defined] # of http.client
            self.connect()  # type: ignore[attr-defined]
        self.gate.check(self._method)
        super().send(data)  # type: ignore[misc]


class _Http(_Gated, HTTPConnection):  # type: ignore[misc] # what makes an answer is no class
    pass


class _Https(_Gated, HTTPSConnection):  # type: ignore[misc]
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
