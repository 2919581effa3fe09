"""HTTPS for the API server: one path that answers reviews, one that says whether it can."""

import asyncio
import json
import os
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp import web

from numalocal.worker.inject import CheckImage
from numalocal_operator.webhook.authority import Credentials
from numalocal_operator.webhook.review import Offers, ReviewInvalid, answer

PORT: Final = 9443
PATH: Final = "/mutate"
READY: Final = "/readyz"
_MOST_BYTES: Final = 8 << 20
"""A pod has at most 1.5 MiB in etcd; a review holds it once, and its old self."""
_THREADS: Final = 4
_LAST_ANSWERS_S: Final = 5.0
"""What is being answered may take so long when the process ends: the API server waits no longer."""

Pools = Callable[[], Offers | None]
"""Gives what nodes offer now, None while they have not been seen yet."""


class Server:
    """Answers reviews with the certificate that it was given last.

    `standing` says in a few words whether this replica leads: all of them answer.
    """

    def __init__(
        self,
        pools: Pools,
        image: CheckImage,
        port: int = PORT,
        address: str = "",
        standing: Callable[[], str] = lambda: "",
    ) -> None:
        self._pools = pools
        self._image = image
        self._place = address or None, port
        self._standing = standing
        self._is_ending = False
        # Its own: while the API server is away, calls of it may hold all other threads.
        self._threads = ThreadPoolExecutor(_THREADS, "webhook")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._credentials: Credentials | None = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen; until there is a certificate no handshake succeeds."""
        app = web.Application(client_max_size=_MOST_BYTES)
        app.add_routes([web.post(PATH, self._mutate), web.get(READY, self._ready)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_LAST_ANSWERS_S)
        await self._runner.setup()
        address, port = self._place
        await web.TCPSite(self._runner, address, port, ssl_context=self._context).start()

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports it listens on, IPv4's first: others than one where 0 was asked for."""
        addresses = sorted(self._runner.addresses if self._runner else (), key=len)
        return tuple(address[1] for address in addresses)

    def end(self) -> None:
        """Answer on, but keep no connection: the API server asks another replica next."""
        self._is_ending = True

    async def stop(self) -> None:
        """Answer what has been asked, and listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._threads.shutdown(wait=False)

    def serve_with(self, credentials: Credentials) -> None:
        """Take a certificate for all connections from now on."""
        if credentials == self._credentials:
            return
        # ssl reads files alone; this one has no name that anybody could open.
        file = os.memfd_create("webhook", os.MFD_CLOEXEC)
        try:
            os.write(file, credentials.leaf + credentials.leaf_key)
            self._context.load_cert_chain(f"/proc/self/fd/{file}")
        finally:
            os.close(file)
        self._credentials = credentials

    async def _mutate(self, request: web.Request) -> web.Response:
        pools = self._pools()
        if pools is None:
            return web.Response(status=503, text="the nodes have not been seen yet; try again")
        body = await request.read()
        # Beside the loop: a pod as large as can be takes a second, and others go on meanwhile.
        loop = asyncio.get_running_loop()
        answered = await loop.run_in_executor(self._threads, self._answer, body, pools)
        if self._is_ending:
            answered.force_close()
        return answered

    def _answer(self, body: bytes, pools: Offers) -> web.Response:
        try:
            return web.json_response(answer(json.loads(body), pools, self._image))
        except (ReviewInvalid, json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            return web.Response(status=400, text=f"no AdmissionReview: {type(error).__name__}")

    async def _ready(self, _request: web.Request) -> web.Response:
        if self._pools() is None:
            return web.Response(status=503, text="the nodes have not been seen yet")
        return web.Response(text=f"ok: {self._standing()}")
