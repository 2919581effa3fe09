"""What the kubelet asks: whether the process works, not whether it leads or reaches anybody."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

PATH: Final = "/healthz"

Faults = Callable[[], str]
"""Gives what of the process is dead, empty where nothing is."""


class Probes:
    """Plain HTTP on a port of its own: an answer tells that the event loop works."""

    def __init__(
        self, faults: Faults, standing: Callable[[], str], address: str, port: int
    ) -> None:
        self._faults = faults
        self._standing = standing
        self._place = address, port
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen."""
        app = web.Application()
        app.add_routes([web.get(PATH, self._answer)])
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        address, port = self._place
        await web.TCPSite(self._runner, address or None, port).start()

    @property
    def port(self) -> int:
        """The port it listens on: another than asked for where that was 0."""
        assert self._runner is not None
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, _request: web.Request) -> web.Response:
        if faults := self._faults():
            return web.Response(status=503, text=faults)
        return web.Response(text=f"ok: {self._standing()}")
