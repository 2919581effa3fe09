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
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import grpc

from numalocal import names
from numalocal.problems import printable, shown
from numalocal_deviceplugin import backoff
from numalocal_deviceplugin.counters import Count
from numalocal_deviceplugin.kubelet.presence import Kubelet, SocketIdentity, identity
from numalocal_deviceplugin.kubelet.service import OPTIONS, DevicePluginService
from numalocal_deviceplugin.kubelet.serving import Servers
from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2 as wire
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2_grpc

log = logging.getLogger(__name__)

API_VERSION: Final = "v1beta1"

_CHANNEL_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.default_authority", "localhost"),
    # A new channel must not inherit the last one's wait for a dead socket.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds.

    `patience_s` is how long after registration, or after its stream ended, the kubelet may go
    without reading the list of devices.
    """

    register_s: float = 3.0
    poll_s: float = 5.0
    patience_s: float = 5.0
    retry_first_s: float = 0.05
    retry_ceiling_s: float = 2.0


class PoolServer:
    """Keep one pool registered, while nothing bars the node: who registers gets containers."""

    def __init__(
        self, pool: str, kubelet: Kubelet, servers: Servers, state: State, timing: Timing
    ) -> None:
        self._pool = pool
        self._servers = servers
        self._socket = kubelet.socket.with_name(f"numalocal-{pool}.sock")
        self._kubelet = kubelet
        self._state = state
        self._timing = timing
        self._told = ""

    def run(self, stop: threading.Event) -> None:
        """Serve, register and watch until told to stop; start again whenever that ends."""
        self._tell("it has not been tried yet")
        waits = self._waits()
        while not stop.is_set():
            version = self._state.version
            if self._barred:
                self._tell("that waits for what the node refuses as a whole")
                self._state.wait(version, self._timing.poll_s)
                continue
            try:
                if self._run_once(stop):
                    waits = self._waits()
            except (OSError, RuntimeError) as error:  # RuntimeError: gRPC cannot bind
                self._tell(f"it cannot be served at {self._socket} ({printable(str(error), 200)})")
            stop.wait(next(waits))

    @property
    def _barred(self) -> bool:
        return self._state.snapshot().node.barred is not None

    def _run_once(self, stop: threading.Event) -> bool:
        """Give whether it was registered for a while, or is barred by now."""
        service = DevicePluginService(self._pool, self._state, self._kubelet.hung_up)
        with self._servers.serving(service, self._socket):
            own = identity(self._socket)
            kubelet = self._register(own, stop)
            if kubelet is None:
                return self._barred
            self._state.counters.add(Count.KUBELET_REGISTRATIONS, self._pool)
            log.info("registered", extra={"pool": self._pool, "socket": str(self._socket)})
            self._tell("")
            self._tell(self._watch(service, own, kubelet, stop))
            return True

    def _register(self, own: SocketIdentity | None, stop: threading.Event) -> SocketIdentity | None:
        """Register for ever; None where that has become pointless: stopped, barred, socket gone."""
        for delay_s in self._waits():
            kubelet = self._kubelet.look()
            if stop.is_set() or self._barred or own is None or identity(self._socket) != own:
                return None
            if kubelet is None:
                self._tell(f"the kubelet is not there ({self._kubelet.socket} is missing)")
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
        target = f"unix:{self._kubelet.socket}"
        with grpc.insecure_channel(target, options=_CHANNEL_OPTIONS) as channel:
            stub = deviceplugin_v1beta1_pb2_grpc.RegistrationStub(channel)
            try:
                stub.Register(request, timeout=self._timing.register_s)
            except grpc.RpcError as error:
                self._tell(
                    f"the kubelet answers {shown(error.details())}, {error.code().name}; it is "
                    "tried again"
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
        while not stop.is_set():
            if identity(self._socket) != own:
                return "own socket is gone"
            if self._kubelet.look() != kubelet:
                return "kubelet.sock is another one"
            if self._barred:
                return "the node is refused as a whole"
            if service.watched:
                watched_at_s = time.monotonic()
            elif time.monotonic() - watched_at_s > self._timing.patience_s:
                return "the kubelet does not read the devices"
            # Not for the state, which changes with every container.
            self._kubelet.wait_for_another(kubelet, stop, self._timing.poll_s)
        return "the agent ends"

    def _tell(self, why: str) -> None:
        """Say why the kubelet does not have the pool, where that has changed; empty = it has."""
        if why == self._told:
            return
        self._told = why
        if not why:
            self._state.refuse(self._socket.name)
            return
        message = f"pool {self._pool} is not registered with the kubelet: {why}"
        self._state.refuse(
            self._socket.name,
            [Refusal(reason=Reason.NOT_REGISTERED, message=message, subject=self._pool)],
        )

    def _waits(self) -> Iterator[float]:
        return backoff.delays(self._timing.retry_first_s, self._timing.retry_ceiling_s)
