"""The connection to the API server: one call of it, tried once, with plain mappings."""

import json
import socket
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3 import Timeout
from urllib3.connection import HTTPConnection

from numalocal_operator.api.gate import Gate, guard

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
_WELL: Final = range(200, 300)
_UNAUTHORIZED: Final = 401


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
        answer = self._pool.request(
            method,
            url,
            body=None if body is None else json.dumps(body, separators=(",", ":")).encode(),
            headers=headers,
            timeout=Timeout(total=timeout_s),
            retries=False,
        )
        if answer.status == _UNAUTHORIZED:
            self._login_until_s = float("-inf")
        if answer.status not in _WELL:
            error = ApiException(status=answer.status, reason=answer.reason)
            error.body = answer.data.decode(errors="replace")
            raise error
        found: dict[str, Any] = json.loads(answer.data)
        return found

    def _logged_in(self) -> Mapping[str, str]:
        """Give the headers that say who calls; the client takes a millisecond to tell them."""
        now_s = time.monotonic()
        if now_s >= self._login_until_s:
            told = self._settings.auth_settings().values()
            self._login = {one["key"]: one["value"] for one in told}
            self._login_until_s = now_s + LOGIN_S
        return self._login
