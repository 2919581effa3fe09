"""The life of the NRI plugin: connect, register, serve until the runtime goes, and again."""

import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from numalocal import names
from numalocal_deviceplugin import backoff
from numalocal_deviceplugin.counters import Count
from numalocal_deviceplugin.errors import AgentError, CallFailed, ConnectionLost
from numalocal_deviceplugin.runtime import errand
from numalocal_deviceplugin.runtime.deciding import DevicesWithin
from numalocal_deviceplugin.runtime.plugin import Plugin
from numalocal_deviceplugin.runtime.ttrpc import Connection
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

log = logging.getLogger(__name__)

_SERVICE: Final = "nri.pkg.api.v1alpha1.Runtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds.

    Registration waits longer than the runtime's own 5 s: another plugin that connects and never
    registers holds the runtime's one accept loop for that long.  The first try comes almost at
    once: a runtime that has dropped us goes on, and creates containers that nobody binds.
    """

    register_s: float = 12.0
    connect_s: float = 3.0
    retry_first_s: float = 0.05
    retry_ceiling_s: float = 10.0
    poll_s: float = 0.2
    rest_s: float = 30.0
    correct_s: float = 30.0
    answer_s: float = 2.0


class Link:
    """Keep the plugin registered with the container runtime, and call it."""

    def __init__(
        self, path: Path, state: State, devices_within: DevicesWithin, timing: Timing, index: str
    ) -> None:
        self._path = path
        self._state = state
        self._devices_within = devices_within
        self._timing = timing
        self._index = index
        self._synchronized = threading.Event()
        self._connection: Connection | None = None

    def wake(self) -> None:
        """Let it see at once that it is told to stop; it has to be told before."""
        if self._connection is not None:
            self._connection.hang_up()

    def run(self, stop: threading.Event) -> None:
        """Connect, register and serve until told to stop; again whenever that ends."""
        waits = self._waits()
        while not stop.is_set():
            plugin = Plugin(self._state, self._devices_within)
            try:
                self._session(plugin, stop)
                log.warning("nri connection ended", extra={"socket": str(self._path)})
            except (OSError, AgentError) as error:
                log.error(  # noqa: TRY400 - the refusal says what to do
                    "the container runtime's NRI is not available",
                    extra={"socket": str(self._path), "err": str(error)},
                )
            self._state.runtime_lost()
            if plugin.synchronized.is_set():
                waits = self._waits()
            stop.wait(next(waits))

    def correct(self, choose: errand.Choose) -> None:
        """Bind containers otherwise, unasked; never to be called from a handler.

        `choose` is called while the runtime makes no container, and has less than two seconds.

        Raises:
            ConnectionLost: where the plugin is not synchronized, or the runtime goes away.
            CallFailed: where it does not ask in time.
            OSError: where its socket cannot be connected to.
        """
        if not self._synchronized.is_set():
            raise ConnectionLost("the container runtime is not connected")
        sent = errand.Errand(choose)
        connection = Connection(_connect(self._path, self._timing.connect_s), sent.methods())
        try:
            _register(connection, errand.NAME, self._index, self._timing.register_s)
            if not sent.done.wait(self._timing.correct_s):
                raise CallFailed("the container runtime did not ask what to correct in time")
            connection.wait_answered(self._timing.answer_s)
        finally:
            connection.close()

    def _session(self, plugin: Plugin, stop: threading.Event) -> None:
        """Serve one connection until either side ends it.

        Raises:
            OSError: where the socket cannot be connected to.
            AgentError: where the runtime does not take the plugin.
        """
        connection = Connection(_connect(self._path, self._timing.connect_s), plugin.methods())
        self._connection = connection
        try:
            if stop.is_set():  # before there was a connection to hang up
                return
            _register(connection, names.PLUGIN, self._index, self._timing.register_s)
            self._state.counters.add(Count.RUNTIME_CONNECTIONS)
            log.info("registered with the container runtime", extra={"socket": str(self._path)})
            while not stop.is_set() and not connection.wait_closed(self._poll_s()):
                # Announced from here and not from the handler, which may outlive its connection.
                if plugin.synchronized.is_set() and not self._synchronized.is_set():
                    self._synchronized.set()
                    self._state.runtime_synchronized()
        finally:
            self._synchronized.clear()
            self._connection = None
            connection.close()

    def _poll_s(self) -> float:
        """Look seldom where nothing is awaited but the end, which wakes it by itself."""
        return self._timing.rest_s if self._synchronized.is_set() else self._timing.poll_s

    def _waits(self) -> Iterator[float]:
        return backoff.delays(self._timing.retry_first_s, self._timing.retry_ceiling_s)


def _connect(path: Path, timeout_s: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        sock.connect(str(path))
        sock.settimeout(None)
    except OSError:
        sock.close()
        raise
    return sock


def _register(connection: Connection, name: str, index: str, timeout_s: float) -> None:
    """Register; the runtime calls Configure before it answers."""
    request = nri.RegisterPluginRequest(plugin_name=name, plugin_idx=index)
    payload = request.SerializeToString()
    connection.call(_SERVICE, "RegisterPlugin", payload, timeout_s=timeout_s)
