"""The gRPC servers of all pools, on one event loop that a thread of its own runs.

A server of grpc's threads wakes five times a second for nothing, which is a fifth of what the agent
may cost at rest; those of grpc.aio sleep.  They share one queue in a process, hence the one loop.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import grpc

from numalocal_deviceplugin.wire.deviceplugin_v1beta1_pb2_grpc import (
    DevicePluginServicer,
    add_DevicePluginServicer_to_server,
)

_OPTIONS: Final = (
    ("grpc.so_reuseport", 0),
    ("grpc.http2.bdp_probe", 0),
    # All ids of the largest node take a tenth of it.
    ("grpc.max_receive_message_length", 1 << 20),
)
_THREADS: Final = 8
"""Of each pool: half of them for who waits in a list of devices, half for calls."""
_END_S: Final = 1.0


class Servers:
    """Serve pools on sockets, until the `with` statement ends.

    Methods of a service that are coroutines run on the loop, all others on threads.
    """

    def __init__(self, pools: int) -> None:
        self._threads = ThreadPoolExecutor(_THREADS * max(1, pools), thread_name_prefix="call")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="grpc", daemon=True)
        self._ended = asyncio.Event()
        self._over: Future[None] = Future()
        self._servers: dict[Path, grpc.aio.Server] = {}

    def __enter__(self) -> Self:
        """Hold grpc.aio's queue for as long as servers may be started.

        It would else be made anew by each that is alone, and where no descriptor is left for it
        that ends the process by a signal.

        Raises:
            OSError: where there is no descriptor for it.
        """
        self._thread.start()
        self._await(_hold_queue())
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(_END_S)

    @contextmanager
    def serving(self, service: DevicePluginServicer, socket: Path) -> Iterator[None]:
        """Serve on a socket, over whatever an agent before us left there; end every stream after.

        Raises:
            OSError: where there cannot be a socket.
            RuntimeError: where gRPC cannot bind it.
        """
        if not socket.parent.is_dir():
            raise FileNotFoundError(f"{socket.parent} is missing: is it the kubelet's directory?")
        socket.unlink(missing_ok=True)
        self._await(self._start(service, socket))
        try:
            yield
        finally:
            if self._thread.is_alive():  # else it has ended every server
                self._await(self._end(socket))
            socket.unlink(missing_ok=True)

    def _serve(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                self._loop.set_default_executor(self._threads)
                runner.run(self._until_ended())
        finally:
            self._over.set_result(None)

    async def _until_ended(self) -> None:
        await self._ended.wait()
        for socket in tuple(self._servers):
            await self._end(socket)
        grpc.aio.shutdown_grpc_aio()

    def _await(self, what: Coroutine[Any, Any, None]) -> None:
        """Wait for what the loop does; not for ever where it has come too late for that."""
        try:
            done = asyncio.run_coroutine_threadsafe(what, self._loop)
            wait((done, self._over), return_when=FIRST_COMPLETED)
            done.result(timeout=0)
        except (CancelledError, TimeoutError):
            raise RuntimeError("the agent ends") from None
        finally:
            what.close()

    async def _start(self, service: DevicePluginServicer, socket: Path) -> None:
        if self._ended.is_set():
            raise RuntimeError("the agent ends")
        server = grpc.aio.server(self._threads, options=_OPTIONS)
        add_DevicePluginServicer_to_server(service, server)
        server.add_insecure_port(f"unix:{socket}")
        self._servers[socket] = server
        await server.start()

    async def _end(self, socket: Path) -> None:
        if (server := self._servers.get(socket)) is not None:
            await server.stop(grace=None)
            self._servers.pop(socket, None)


async def _hold_queue() -> None:
    grpc.aio.init_grpc_aio()
