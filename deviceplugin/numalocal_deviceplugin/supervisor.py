"""Run the agent's parts side by side, in rounds: other pools are a new round of the same process.

A round has its own State and its own sockets.  What containers hold survives it, as the ledger is
rebuilt from the container runtime's list.
"""

import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from numalocal import names
from numalocal.machine.sysfs import Sysfs
from numalocal_deviceplugin.config import Config
from numalocal_deviceplugin.counters import Counters
from numalocal_deviceplugin.kubelet import presence, registration
from numalocal_deviceplugin.kubelet.podresources import PodResources
from numalocal_deviceplugin.kubelet.seat import Seat
from numalocal_deviceplugin.kubelet.serving import Servers
from numalocal_deviceplugin.node import (
    exposition,
    health,
    hotplug,
    kernel,
    metrics,
    poolfile,
    publisher,
    telling,
)
from numalocal_deviceplugin.node.document import About
from numalocal_deviceplugin.node.hotplug import MachineWatch
from numalocal_deviceplugin.node.http import HttpServer, Response, Route
from numalocal_deviceplugin.node.poolfile import PoolFile
from numalocal_deviceplugin.node.publishing import Publishing
from numalocal_deviceplugin.node.publishing import Timing as PublishingTiming
from numalocal_deviceplugin.node.repair import Repair
from numalocal_deviceplugin.node.watch import ListingWatch
from numalocal_deviceplugin.parts import Parts
from numalocal_deviceplugin.runtime import nri
from numalocal_deviceplugin.settings import Settings
from numalocal_deviceplugin.state import State

log = logging.getLogger(__name__)

_REPAIR_LIMIT_S: Final = 120.0
"""A container runtime that is slow keeps one correction for most of a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How often each part looks and tries, and how long it waits, in seconds."""

    kubelet: presence.Timing = presence.Timing()  # noqa: RUF009 - frozen
    pools: registration.Timing = registration.Timing()  # noqa: RUF009 - frozen
    runtime: nri.Timing = nri.Timing()  # noqa: RUF009 - frozen
    publishing: PublishingTiming = PublishingTiming()  # noqa: RUF009 - frozen
    health_interval_s: float = 10.0
    machine_interval_s: float = 4.0
    poolfile_interval_s: float = 5.0
    listing_limit_s: float = 1.0
    seat_poll_s: float = 1.0
    end_s: float = 4.0


def run(config: Config, stop: threading.Event, timing: Timing) -> bool:
    """Run rounds until told to stop; False where a part ended of itself, so the process must end.

    Raises:
        CannotListen: where probes and metrics cannot be served.
    """
    pools, counters = PoolFile(config.pools_file), Counters()
    while not stop.is_set():
        if not _Round(config, pools, counters, stop, timing).run():
            return False
        pools.look()
    return True


class _Round:
    """All parts, from one reading of the pools to the next."""

    def __init__(
        self,
        config: Config,
        pools: PoolFile,
        counters: Counters,
        stop: threading.Event,
        timing: Timing,
    ) -> None:
        self._config = config
        self._pools = pools
        self._stop = stop
        self._timing = timing
        self._served = pools.pools
        self._sysfs = Sysfs(config.root)
        self._began = hotplug.start(self._sysfs, pools.pools)
        self._began_s = time.monotonic()
        self._state = State(
            self._began.machine,
            self._began.partition,
            Settings(
                idle=config.idle,
                left_alone=config.left_alone,
                enforcement=config.enforcement,
                kernel=kernel.kernel(self._sysfs, os.uname().release),
            ),
            counters=counters,
        )
        self._over = threading.Event()
        self._parts = Parts(stop.set)

    def run(self) -> bool:
        """Run until told to stop or other pools are to be taken; False = a part has failed."""
        _log_start(self._began)
        with (
            Seat(self._config.device_plugin_dir, self._state) as seat,
            PodResources(self._config.pod_resources_socket) as resources,
            Servers(len(self._began.partition.pools)) as servers,
        ):
            self._start(seat, resources, servers)
            while not self._stop.wait(self._timing.poolfile_interval_s):
                if self._over.is_set():
                    break
            self._parts.tell()
            self._state.wake()
            hanging = self._parts.join(self._timing.end_s)
        if hanging:
            log.error("parts do not end", extra={"parts": hanging})
        # Who is told to end ends, whatever he waits for; the next round cannot be beside the last.
        return not self._parts.failed and (self._stop.is_set() or not hanging)

    def _start(self, seat: Seat, resources: PodResources, servers: Servers) -> None:
        """Start all parts, those first that find out whether anybody may be adjusted."""
        config, state, timing, parts = self._config, self._state, self._timing, self._parts
        machine = MachineWatch(self._sysfs, config.cgroup_root, state, self._began)
        kubelet = presence.Kubelet(config.device_plugin_dir, state, resources, timing.kubelet)
        listing = ListingWatch(state, lambda: resources.listing(timing.listing_limit_s))
        link = nri.Link(
            config.nri_socket, state, resources.devices_of, timing.runtime, config.nri_index
        )
        repair = Repair(state, link.correct, config.cgroup_root)
        if config.http_address is not None:
            server = HttpServer(config.http_address, self._routes())
            parts.start("http", server.run, wake=server.wake)
        state.refuse(poolfile.SOURCE, self._pools.refusals)
        machine.look()
        seat.take()
        kubelet.ask()
        listing.look()
        parts.start("pools", self._watch_pools)
        parts.start("refusals", lambda stop: telling.run(state, stop))
        parts.start("machine", lambda stop: machine.run(stop, timing.machine_interval_s))
        parts.start("seat", lambda stop: seat.run(stop, timing.seat_poll_s))
        parts.start("kubelet", kubelet.run, wake=kubelet.wake)
        parts.start("listing", lambda stop: listing.run(stop, timing.health_interval_s))
        parts.start("nri", link.run, wake=link.wake)
        parts.start(
            "repair",
            lambda stop: repair.run(stop, timing.health_interval_s),
            limit_s=_REPAIR_LIMIT_S,
        )
        for pool in state.snapshot().node.partition.pools:
            registered = registration.PoolServer(pool.name, kubelet, servers, state, timing.pools)
            parts.start(f"pool-{pool.name}", registered.run, wake=kubelet.wake)
        self._start_publishing()

    def _watch_pools(self, stop: threading.Event) -> None:
        """Look whether the round is over, until it is or told to stop."""
        while not stop.wait(self._timing.poolfile_interval_s):
            if self._is_over():
                log.info("other pools are taken")
                self._over.set()
                stop.wait()

    def _is_over(self) -> bool:
        """Look for other pools, and for a machine where there was none."""
        self._pools.look()
        machine = self._state.snapshot().node.machine
        found = not self._began.machine.online and bool(machine.online)
        over = found or (bool(machine.online) and self._pools.is_to_be_taken(self._served, machine))
        self._state.refuse(poolfile.SOURCE, self._pools.refusals)
        return over

    def _routes(self) -> Mapping[str, Route]:
        state, parts, began_s = self._state, self._parts, self._began_s
        root, node = self._config.cgroup_root, self._config.node_name
        told = metrics.Metrics(state, root, names.VERSION, node)
        return {
            "/livez": lambda: health.livez(parts.stale()),
            "/readyz": lambda: health.readyz(state.snapshot(), time.monotonic() - began_s),
            "/metrics": lambda: Response(200, told.text(), exposition.CONTENT_TYPE),
        }

    def _start_publishing(self) -> None:
        found = publisher.in_cluster(self._config.node_name, os.environ)
        if found is None:
            log.info("no NodeCpuTopology is written: no node name or no service account")
            return
        about = About(agent=names.VERSION, kernel=os.uname().release)
        publishing = Publishing(found, self._state, about, self._timing.publishing)
        self._parts.start("publishing", publishing.run)


def _log_start(began: hotplug.Start) -> None:
    for finding in began.machine.findings:
        log.warning("the kernel's files are inconsistent", extra={"finding": str(finding)})
    for note in began.partition.notes:
        log.warning("a pool does not suit this machine", extra={"note": note})
    log.info(
        "node is cut into CPU sets",
        extra={
            "online": str(began.machine.online),
            "shared": str(began.partition.shared),
            "sets": {one.id: str(one.cpus) for one in began.partition.sets},
        },
    )
