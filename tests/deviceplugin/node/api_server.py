"""An API server that knows NodeCpuTopology: what it was asked, and what it is told to answer."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from numalocal_deviceplugin.node.publisher import Publisher

from ..waiting import PATIENCE_S

COLLECTION = "/apis/numalocal.io/v1alpha1/nodecputopologies"


@dataclass
class FakeApiServer:
    """Holds the objects by name; `answers` come before all else, one a call."""

    port: int = 0
    objects: dict[str, Any] = field(default_factory=dict)
    answers: list[tuple[int, str]] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    """Method, path, headers and body of every call."""
    connections: set[Any] = field(default_factory=set)

    @property
    def methods(self) -> list[str]:
        return [method for method, *_ in self.requests]

    def answer(self, method: str, path: str, body: Any) -> tuple[int, str]:
        if self.answers:
            return self.answers.pop(0)
        if method == "POST":
            self.objects[body["metadata"]["name"]] = body
            return 201, json.dumps(body)
        found = self.objects.get(path.removeprefix(f"{COLLECTION}/").removesuffix("/status"))
        if found is None:
            return 404, '{"message": "not found"}'
        found["status"] = body["status"]
        return 200, json.dumps(found)

    def publisher(self, folder: Path, token: str = "secret", node: str = "worker-1") -> Publisher:
        (folder / "token").write_text(f"{token}\n")
        return Publisher(
            lambda: HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S),
            folder / "token",
            node,
        )


@contextmanager
def serving(objects: Mapping[str, Any] | None = None) -> Iterator[FakeApiServer]:
    api = FakeApiServer(objects=dict(objects or {}))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            api.requests.append((self.command, self.path, dict(self.headers), body))
            api.connections.add(self.client_address)
            status, text = api.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_PATCH = do_POST = answer  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        api.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield api
        server.shutdown()
        thread.join()
