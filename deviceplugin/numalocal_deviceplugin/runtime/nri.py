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
from numalocal_deviceplugin.errors import AgentError
from numalocal_deviceplugin.runtime.plugin import DevicesWithin, Plugin
from numalocal_deviceplugin.runtime.ttrpc import Connection
from numalocal_deviceplugin.state import Availability
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

log = logging.getLogger(__name__)

PLUGIN_INDEX: Final = "10"

_SERVICE: Final = "nri.pkg.api.v1alpha1.Runtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds.

    Registration waits longer than the runtime's own 5 s: another plugin that connects and never
    registers holds the runtime's one accept loop for that long.
    """

    register_s: float = 12.0
    connect_s: float = 3.0
    retry_first_s: float = 0.5
    retry_ceiling_s: float = 10.0
    poll_s: float = 0.5


def run(
    path: Path,
    availability: Availability,
    devices_within: DevicesWithin,
    stop: threading.Event,
    timing: Timing,
) -> None:
    """Keep the plugin registered with the runtime until told to stop."""
    waits = _waits(timing)
    while not stop.is_set():
        plugin = Plugin(availability, devices_within)
        try:
            _session(path, plugin, availability, stop, timing)
            log.warning("nri connection ended", extra={"socket": str(path)})
        except (OSError, AgentError) as error:
            _log_unreachable(path, error)
        availability.runtime_lost()
        if plugin.synchronized.is_set():
            waits = _waits(timing)
        stop.wait(next(waits))


def _session(
    path: Path,
    plugin: Plugin,
    availability: Availability,
    stop: threading.Event,
    timing: Timing,
) -> None:
    """Serve one connection until either side ends it.

    Raises:
        OSError: where the socket cannot be connected to.
        AgentError: where the runtime does not take the plugin.
    """
    connection = Connection(_connect(path, timing.connect_s), plugin.methods())
    try:
        _register(connection, timing.register_s)
        log.info("registered with the container runtime", extra={"socket": str(path)})
        announced = False
        while not stop.is_set() and not connection.wait_closed(timing.poll_s):
            # Announced from here and not from the handler, which may outlive its connection.
            if plugin.synchronized.is_set() and not announced:
                announced = True
                availability.runtime_synchronized()
    finally:
        connection.close()


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


def _register(connection: Connection, timeout_s: float) -> None:
    """Register; the runtime calls Configure before it answers."""
    request = nri.RegisterPluginRequest(plugin_name=names.PLUGIN, plugin_idx=PLUGIN_INDEX)
    payload = request.SerializeToString()
    connection.call(_SERVICE, "RegisterPlugin", payload, timeout_s=timeout_s)


def _waits(timing: Timing) -> Iterator[float]:
    return backoff.delays(timing.retry_first_s, timing.retry_ceiling_s)


def _log_unreachable(path: Path, error: Exception) -> None:
    log.error(
        "the container runtime's NRI is not available; no CPU set is given out without it",
        extra={
            "socket": str(path),
            "fix": "enable NRI in the runtime (containerd 1.7: plugins."
            '"io.containerd.nri.v1.nri" disable = false) and mount its socket directory',
            "err": str(error),
        },
    )
