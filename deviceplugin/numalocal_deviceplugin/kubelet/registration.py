"""The life of one pool's device plugin: serve, register, watch, and again.

The kubelet dials back before Register returns, so serving comes first.  A kubelet that starts
deletes every socket in its directory, ours too, and may do so between serving and registering: a
Register with no socket behind it hangs to its deadline for ever.  Hence the own socket is looked at
before each try, each try has a channel of its own, and everything starts again when the own socket
vanishes, kubelet.sock is another one, or the kubelet no longer reads the list of devices.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from numalocal import names
from numalocal_deviceplugin import backoff
from numalocal_deviceplugin.counters import Count
from numalocal_deviceplugin.kubelet.service import OPTIONS, DevicePluginService
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2 as wire
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2_grpc

log = logging.getLogger(__name__)

API_VERSION: Final = "v1beta1"
KUBELET_SOCKET: Final = "kubelet.sock"

_CHANNEL_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.default_authority", "localhost"),
    # A new channel must not inherit the last one's wait for a dead socket.
    ("grpc.use_local_subchannel_pool", 1),
)
_SERVER_THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds.

    `patience_s` is how long after registration, or after its stream ended, the kubelet may go
    without reading the list of devices.
    """

    register_s: float = 3.0
    poll_s: float = 1.0
    patience_s: float = 5.0
    retry_first_s: float = 0.5
    retry_ceiling_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketIdentity:
    """What tells two sockets of one path apart: inode numbers alone are reused at once."""

    inode: int
    created_ns: int


class PoolServer:
    """Keep one pool registered; `registered` is called after every registration."""

    def __init__(
        self,
        pool: str,
        directory: Path,
        state: State,
        registered: Callable[[], None],
        timing: Timing,
    ) -> None:
        self._pool = pool
        self._socket = directory / f"numalocal-{pool}.sock"
        self._kubelet_socket = directory / KUBELET_SOCKET
        self._state = state
        self._registered = registered
        self._timing = timing

    def run(self, stop: threading.Event) -> None:
        """Serve, register and watch until told to stop; start again whenever that ends."""
        waits = self._waits()
        while not stop.is_set():
            try:
                self._run_once(stop)
                waits = self._waits()
            except (OSError, RuntimeError) as error:  # RuntimeError: gRPC cannot bind
                log.error(  # noqa: TRY400 - the socket's state says it all
                    "device plugin cannot serve",
                    extra={"pool": self._pool, "socket": str(self._socket), "err": str(error)},
                )
            stop.wait(next(waits))

    def _run_once(self, stop: threading.Event) -> None:
        service = DevicePluginService(self._pool, self._state)
        with _serving(service, self._socket):
            own = identity(self._socket)
            kubelet = self._register(own, stop)
            if kubelet is None:
                return
            self._state.counters.add(Count.KUBELET_REGISTRATIONS, self._pool)
            log.info("registered", extra={"pool": self._pool, "socket": str(self._socket)})
            self._registered()
            reason = self._watch(service, own, kubelet, stop)
            log.info("device plugin ended", extra={"pool": self._pool, "reason": reason})

    def _register(self, own: SocketIdentity | None, stop: threading.Event) -> SocketIdentity | None:
        """Register for ever; None where that has become pointless: stopped, or own socket gone."""
        for delay_s in self._waits():
            if stop.is_set() or own is None or identity(self._socket) != own:
                return None
            kubelet = identity(self._kubelet_socket)
            if kubelet is None:
                log.warning("kubelet is not there", extra={"socket": str(self._kubelet_socket)})
            elif self._try_register():
                return kubelet
            stop.wait(delay_s)
        return None

    def _try_register(self) -> bool:
        request = wire.RegisterRequest(
            version=API_VERSION,
            endpoint=self._socket.name,
            resource_name=names.resource(self._pool),
            options=OPTIONS,
        )
        target = f"unix:{self._kubelet_socket}"
        with grpc.insecure_channel(target, options=_CHANNEL_OPTIONS) as channel:
            stub = deviceplugin_v1beta1_pb2_grpc.RegistrationStub(channel)
            try:
                stub.Register(request, timeout=self._timing.register_s)
            except grpc.RpcError as error:
                log.warning(
                    "registration failed",
                    extra={
                        "pool": self._pool,
                        "code": error.code().name,
                        "err": error.details(),
                    },
                )
                return False
        return True

    def _watch(
        self,
        service: DevicePluginService,
        own: SocketIdentity | None,
        kubelet: SocketIdentity,
        stop: threading.Event,
    ) -> str:
        """Wait for a reason to start again and give it."""
        watched_at_s = time.monotonic()
        while not stop.wait(self._timing.poll_s):
            if identity(self._socket) != own:
                return "own socket is gone"
            if identity(self._kubelet_socket) != kubelet:
                return "kubelet.sock is another one"
            if service.watched:
                watched_at_s = time.monotonic()
            elif time.monotonic() - watched_at_s > self._timing.patience_s:
                return "the kubelet does not read the devices"
        return "stopped"

    def _waits(self) -> Iterator[float]:
        return backoff.delays(self._timing.retry_first_s, self._timing.retry_ceiling_s)


def identity(socket: Path) -> SocketIdentity | None:
    """Identify the socket at a path now; None where there is none."""
    try:
        status = socket.stat()
    except FileNotFoundError:
        return None
    return SocketIdentity(inode=status.st_ino, created_ns=status.st_ctime_ns)


@contextmanager
def _serving(service: DevicePluginService, socket: Path) -> Iterator[None]:
    """Serve on a socket, over whatever an agent before us left there; end every stream after."""
    if not socket.parent.is_dir():
        raise FileNotFoundError(f"{socket.parent} is missing: is it the kubelet's directory?")
    socket.unlink(missing_ok=True)
    workers = ThreadPoolExecutor(_SERVER_THREADS, thread_name_prefix="deviceplugin")
    server = grpc.server(workers, options=(("grpc.so_reuseport", 0),))
    deviceplugin_v1beta1_pb2_grpc.add_DevicePluginServicer_to_server(service, server)
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    try:
        yield
    finally:
        server.stop(grace=None).wait()
        workers.shutdown(wait=True, cancel_futures=True)
        socket.unlink(missing_ok=True)
