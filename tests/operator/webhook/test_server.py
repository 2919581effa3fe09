"""The server behind real TLS on loopback."""

import asyncio
import io
import json
import ssl
import threading
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from numalocal.worker.inject import CheckImage, PoolNumbers
from numalocal_operator.planning.offered import Offered
from numalocal_operator.webhook.authority import Credentials, renewed
from numalocal_operator.webhook.server import Server

from ..waiting import PATIENCE_S

HOSTS = ("localhost",)
IMAGE = CheckImage(image="binder:1", pull_policy="IfNotPresent")


def offers(_pod: Any) -> Offered:
    return Offered({"cpuset": PoolNumbers(cpus_per_set=4)})


POD = {
    "metadata": {"annotations": {"numalocal.io/cpusets": "1"}},
    "spec": {"containers": [{"name": "a"}]},
}


EMPTY = Credentials()


def made(held: Credentials = EMPTY) -> Credentials:
    found = renewed(held, HOSTS, datetime.now(UTC))
    assert found is not None
    return found


class Caller:
    """Calls as the API server does: by the bundle that it was told."""

    def __init__(self, server: Server, bundle: bytes) -> None:
        self._url = f"https://localhost:{server.ports[0]}"
        self._context = ssl.create_default_context(cadata=bundle.decode())

    async def post(self, body: bytes) -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{self._url}/mutate", data=io.BytesIO(body), ssl=self._context
            ) as response,
        ):
            is_json = response.content_type == "application/json"
            return response.status, await (response.json() if is_json else response.text())

    async def ready(self) -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self._url}/readyz", ssl=self._context) as response,
        ):
            return response.status


def review(pod: Any) -> bytes:
    return json.dumps({"request": {"uid": "u", "object": pod}}).encode()


def test_a_review_is_answered() -> None:
    async def run() -> None:
        server, held = Server(lambda: offers, IMAGE, port=0), made()
        server.serve_with(held)
        await server.start()
        caller = Caller(server, held.ca_bundle)
        try:
            status, answer = await caller.post(review(POD))
            ready = await caller.ready()
        finally:
            await server.stop()

        assert (status, ready) == (200, 200)
        assert answer["response"]["allowed"]
        assert answer["response"]["patchType"] == "JSONPatch"

    asyncio.run(run())


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"[" * 100_000, b'{"request": 1}'])
def test_what_is_no_review_is_a_bad_request(body: bytes) -> None:
    async def run() -> None:
        server, held = Server(lambda: offers, IMAGE, port=0), made()
        server.serve_with(held)
        await server.start()
        try:
            status, said = await Caller(server, held.ca_bundle).post(body)
        finally:
            await server.stop()

        assert status == 400
        assert said.startswith("no AdmissionReview")

    asyncio.run(run())


@pytest.mark.parametrize("ends", [False, True])
def test_a_replica_that_ends_answers_on_and_keeps_no_connection(*, ends: bool) -> None:
    """Else the API server would go on to ask it until it is gone."""

    async def run() -> str | None:
        server, held = Server(lambda: offers, IMAGE, port=0), made()
        server.serve_with(held)
        await server.start()
        if ends:
            server.end()
        context = ssl.create_default_context(cadata=held.ca_bundle.decode())
        url = f"https://localhost:{server.ports[0]}/mutate"
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.post(url, data=review(POD), ssl=context) as response,
            ):
                assert response.status == 200
                return response.headers.get("Connection")
        finally:
            await server.stop()

    assert asyncio.run(run()) == ("close" if ends else None)


def test_a_replica_says_whether_it_leads_and_is_ready_either_way() -> None:
    async def run(standing: str) -> tuple[int, str]:
        server = Server(lambda: offers, IMAGE, 0, "127.0.0.1", lambda: standing)
        held = made()
        server.serve_with(held)
        await server.start()
        context = ssl.create_default_context(cadata=held.ca_bundle.decode())
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"https://localhost:{server.ports[0]}/readyz", ssl=context) as response,
            ):
                return response.status, await response.text()
        finally:
            await server.stop()

    for standing in ("leads", "follows operator-a_1"):
        assert asyncio.run(run(standing)) == (200, f"ok: {standing}")


def test_before_the_nodes_are_seen_a_pod_is_told_to_come_again() -> None:
    async def run() -> None:
        server, held = Server(lambda: None, IMAGE, port=0), made()
        server.serve_with(held)
        await server.start()
        caller = Caller(server, held.ca_bundle)
        try:
            status, said = await caller.post(review(POD))
            ready = await caller.ready()
        finally:
            await server.stop()

        assert (status, ready) == (503, 503)
        assert "have not been seen yet" in said

    asyncio.run(run())


def test_without_a_certificate_there_is_no_handshake() -> None:
    async def run() -> None:
        server = Server(lambda: offers, IMAGE, port=0)
        await server.start()
        try:
            with pytest.raises(aiohttp.ClientError):
                await Caller(server, made().ca_bundle).ready()
        finally:
            await server.stop()

    asyncio.run(run())


def test_a_pod_as_large_as_can_be_holds_up_nobody_else() -> None:
    others = [{"name": f"c{number}", "image": "x" * 100} for number in range(10_000)]
    large = review({**POD, "spec": {"containers": others}})

    entered, leave = threading.Event(), threading.Event()

    def slow(pod: Any) -> Offered:
        if len(pod["spec"]["containers"]) > 1:
            entered.set()
            leave.wait(PATIENCE_S)
        return offers(pod)

    async def run() -> None:
        server, held = Server(lambda: slow, IMAGE, port=0), made()
        server.serve_with(held)
        await server.start()
        caller = Caller(server, held.ca_bundle)
        try:
            asked = asyncio.create_task(caller.post(large))
            assert await asyncio.to_thread(entered.wait, PATIENCE_S)
            assert (await caller.post(review(POD)))[0] == 200
            assert not asked.done()
            leave.set()
            assert (await asked)[0] == 200
        finally:
            await server.stop()

    asyncio.run(run())


def test_a_new_authority_takes_over_without_a_pause() -> None:
    """Under load: those who know both authorities are never refused, before or after."""

    async def run() -> None:
        server, old = Server(lambda: offers, IMAGE, port=0), made()
        new = made(Credentials(ca_bundle=old.ca_bundle))
        server.serve_with(old)
        await server.start()
        caller = Caller(server, new.ca_bundle)
        statuses: list[int] = []

        async def calls() -> None:
            for _ in range(20):
                status, _answer = await caller.post(review(POD))
                statuses.append(status)

        try:
            load = [asyncio.create_task(calls()) for _ in range(4)]
            while len(statuses) < 20 and not any(task.done() for task in load):
                await asyncio.sleep(0.001)
            server.serve_with(new)
            await asyncio.gather(*load)
        finally:
            await server.stop()

        assert statuses == [200] * 80

    asyncio.run(run())
