"""An API server as kopf sees it, on loopback: one kind, its list and its watches, and faults."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from .waiting import PATIENCE_S

KIND = {"name": "things", "singularName": "thing", "kind": "Thing", "namespaced": True}
VERBS = ["list", "watch", "patch"]
GROUP, VERSION = "test.example", "v1"
ALL = f"/apis/{GROUP}/{VERSION}/things"


def thing(version: int = 1) -> dict[str, Any]:
    """Give the one object that there is."""
    metadata = {"name": "a", "namespace": "serving", "uid": "u-1", "resourceVersion": str(version)}
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Thing", "metadata": metadata}


@dataclass
class FakeWatches:
    """What is answered: `list_status` to a list, `said` in a watch, which then stays open."""

    url: str = ""
    list_status: int = 200
    said: list[dict[str, Any]] = field(default_factory=list)
    lists: int = 0
    watches: int = 0
    drops: int = 0

    def drop(self) -> None:
        """End the watches that are open, as the API server does after a while."""
        self.drops += 1

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer as the API server does."""
        groups = {"groups": [_group(GROUP, VERSION), _group("apiextensions.k8s.io", "v1")]}
        crds = {**KIND, "name": "customresourcedefinitions", "singularName": "crd", "verbs": VERBS}
        crds |= {"kind": "CustomResourceDefinition", "namespaced": False}
        spaces = {**KIND, "name": "namespaces", "singularName": "namespace", "verbs": VERBS}
        spaces |= {"kind": "Namespace", "namespaced": False}
        fixed: dict[str, dict[str, Any]] = {
            "/api": {"versions": ["v1"]},
            "/api/v1": {"resources": [spaces]},
            "/apis": groups,
            f"/apis/{GROUP}/{VERSION}": {"resources": [{**KIND, "verbs": VERBS}]},
            "/apis/apiextensions.k8s.io/v1": {"resources": [crds]},
        }
        if request.path in fixed:
            return web.json_response(fixed[request.path])
        if "watch" in request.query:
            return await self._watch(request)
        if request.path != ALL:
            return web.json_response({"items": [], "metadata": {"resourceVersion": "1"}})
        self.lists += 1
        if self.list_status != 200:
            status = {"kind": "Status", "code": self.list_status, "message": "as told"}
            return web.json_response(status, status=self.list_status)
        return web.json_response({"items": [thing()], "metadata": {"resourceVersion": "1"}})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        if request.path == ALL:
            self.watches += 1
            told, self.said = self.said, []
            for one in told:
                await response.write(json.dumps(one).encode() + b"\n")
            drops = self.drops
            while drops == self.drops:
                await asyncio.sleep(0.02)
            return response
        await asyncio.sleep(3600)
        return response


def _group(name: str, version: str) -> dict[str, Any]:
    one = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [one], "preferredVersion": one}


@contextmanager
def serving() -> Iterator[FakeWatches]:
    """Serve in a thread, on a free port."""
    fake = FakeWatches()
    started, ended = threading.Event(), threading.Event()

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", fake.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        started.set()
        while not ended.is_set():
            await asyncio.sleep(0.02)
        await runner.cleanup()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(PATIENCE_S)
    try:
        yield fake
    finally:
        ended.set()
        thread.join(PATIENCE_S)
