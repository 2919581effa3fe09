"""Calls of one API server as its administrator, many at a time over kept connections."""

import json
import ssl
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPSConnection
from typing import Any, NamedTuple

from lab.api_server import ApiServer

TOLD_S = 60.0
CONNECTIONS = 4
JSON, MERGE = "application/json", "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


class Request(NamedTuple):
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    kind: str = JSON


def connection(api: ApiServer, timeout_s: float = TOLD_S) -> HTTPConnection:
    context = ssl.create_default_context(cafile=str(api.folder / "ca.crt"))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.load_cert_chain(api.folder / "admin.crt", api.folder / "admin.key")
    return HTTPSConnection("127.0.0.1", api.port, timeout=timeout_s, context=context)


def call(connected: HTTPConnection, request: Request) -> Any:
    """Give the answer; RuntimeError where it is a refusal."""
    headers = {"Content-Type": request.kind, "Accept": JSON}
    body = None if request.body is None else json.dumps(request.body)
    connected.request(request.method, request.path, body, headers)
    response = connected.getresponse()
    text = response.read()
    if response.status >= 300:
        raise RuntimeError(f"{request.method} {request.path}: {response.status} {text[:500]!r}")
    return json.loads(text)


def call_all(api: ApiServer, requests: Iterable[Request]) -> None:
    """Send requests, as many at a time as there are connections, in any order."""
    waiting, lock = iter(requests), threading.Lock()

    def work(_: int) -> None:
        connected = connection(api)
        while True:
            with lock:
                request = next(waiting, None)
            if request is None:
                break
            call(connected, request)
        connected.close()

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(work, range(CONNECTIONS)))
