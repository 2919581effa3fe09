"""Write the NodeCpuTopology of this node, which tells everybody else what the agent knows.

Two calls need no client library: the full Kubernetes client would triple the agent's memory, so
this is the standard library's HTTP with the service account that every pod has.  A connection lives
for one write: changes are rare, and what lies idle for minutes is forgotten by the network.  All
calls of a write end by one time, however slowly the other side reads or answers.
"""

import base64
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from numalocal import bounded, names
from numalocal_deviceplugin.errors import PublishFailed

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_COLLECTION: Final = f"/apis/{names.API_VERSION}/{names.TOPOLOGIES}"
_CRD: Final = f"{names.TOPOLOGIES}.{names.DOMAIN}"
_CONNECT_S: Final = 5.0
_WRITE_S: Final = 20.0
_PIECE_BYTES: Final = 1 << 14
"""What TLS sends at a time."""
_MOST_ANSWER: Final = 4 << 20
"""What is written comes back: as large as the API server allows an object to be, and more."""
_OK, _CREATED, _NOT_FOUND, _CONFLICT = 200, 201, 404, 409

Connect = Callable[[], HTTPConnection]
"""Open a connection to the API server; OSError where that fails."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """Writes the object of one node; `token_file` is read at every try, as tokens expire.

    `write_s` is what all calls of one write may take, in seconds.
    """

    connect: Connect
    token_file: Path
    node: str
    write_s: float = _WRITE_S

    def publish(self, status: Mapping[str, Any]) -> None:
        """Let the object have a status; where there is no object, make it.

        Raises:
            PublishFailed: for whatever reason it did not get there.
        """
        try:
            token = self.token_file.read_text(encoding="utf-8").strip()
            with closing(self.connect()) as connection:
                call = _Call(connection, token, time.monotonic() + self.write_s)
                if not self._patched(call, status):
                    self._create(call, token)
                    if not self._patched(call, status):
                        raise PublishFailed(f"{self._path}: gone as soon as it was made")
        except (OSError, HTTPException, ValueError) as error:  # ValueError: a token that is none
            raise PublishFailed(f"{self._path}: {error}") from error

    @property
    def _path(self) -> str:
        return f"{_COLLECTION}/{quote(self.node)}"

    def _patched(self, call: "_Call", status: Mapping[str, Any]) -> bool:
        """Replace the status; False where there is no object."""
        path = f"{self._path}/status"
        code, text = call("PATCH", path, "application/merge-patch+json", {"status": status})
        if code not in (_OK, _NOT_FOUND):
            raise PublishFailed(f"PATCH {path}: status {code}: {_message(text)}")
        return code == _OK

    def _create(self, call: "_Call", token: str) -> None:
        """Make the object; the node owns it, so that it goes with the node."""
        metadata: dict[str, Any] = {"name": self.node}
        if uid := node_uid(token):
            owner = {"apiVersion": "v1", "kind": "Node", "name": self.node, "uid": uid}
            metadata["ownerReferences"] = [owner]
        body = {"apiVersion": names.API_VERSION, "kind": names.TOPOLOGY_KIND, "metadata": metadata}
        code, text = call("POST", _COLLECTION, "application/json", body)
        if code == _NOT_FOUND:
            raise PublishFailed(
                f"POST {_COLLECTION}: the API server does not know the kind; install the CRD "
                f"{_CRD} of the chart (its value crds.enabled, or charts/numalocal/definitions)"
            )
        if code not in (_OK, _CREATED, _CONFLICT):
            raise PublishFailed(f"POST {_COLLECTION}: status {code}: {_message(text)}")


@dataclass(frozen=True, slots=True)
class _Call:
    """Calls over one connection, which all end by a time of the monotonic clock."""

    connection: HTTPConnection
    token: str
    until_s: float

    def __call__(self, method: str, path: str, kind: str, body: Any) -> tuple[int, str]:
        data = json.dumps(body, separators=(",", ":")).encode()
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": kind,
            "Content-Length": str(len(data)),
            "Accept": "application/json",
            "User-Agent": "numalocal-agent",
        }
        answer: Any = partial(bounded.answer, until_s=self.until_s)
        self.connection.response_class = answer
        self.connection.request(method, path, self._pieces(data), headers)
        response = self.connection.getresponse()
        return response.status, response.read(_MOST_ANSWER).decode(errors="replace")

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """Cut what is sent: each piece has the time that is left."""
        for at in range(0, len(data), _PIECE_BYTES):
            self.connection.sock.settimeout(bounded.left_s(self.until_s))
            yield data[at : at + _PIECE_BYTES]


def in_cluster(
    node: str, environment: Mapping[str, str], account: Path = SERVICE_ACCOUNT
) -> Publisher | None:
    """Make the publisher of a pod's service account; None where the process is no pod's."""
    host = environment.get("KUBERNETES_SERVICE_HOST")
    token_file = account / "token"
    if not node or not host or not token_file.exists():
        return None
    port = int(environment.get("KUBERNETES_SERVICE_PORT", "443"))
    return Publisher(connecting(host, port, account / "ca.crt"), token_file, node)


def connecting(host: str, port: int, authority: Path) -> Connect:
    """Connect by TLS; the authority is read every time, as it may be replaced."""

    def connect() -> HTTPConnection:
        context = ssl.create_default_context(cafile=str(authority))
        # Python 3.13 refuses authorities without the extensions of RFC 5280; clusters that made
        # theirs by hand have such ones, and every other client of theirs works.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return HTTPSConnection(host, port, timeout=_CONNECT_S, context=context)

    return connect


def node_uid(token: str) -> str:
    """Read the uid of the node that a token of a pod is bound to; empty where it names none.

    A claim of Kubernetes 1.30 and later.  Nobody is to believe it: the API server knows better.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        uid = claims["kubernetes.io"]["node"]["uid"]
    except (IndexError, KeyError, TypeError, ValueError, RecursionError):
        return ""
    return uid if isinstance(uid, str) else ""


def _message(text: str) -> str:
    """Take the sentence out of the API server's Status object, or the text's beginning."""
    try:
        return str(json.loads(text)["message"])[:1000]
    except (ValueError, KeyError, TypeError, RecursionError):
        return text[:200]
