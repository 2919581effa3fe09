"""Run the agent's parts side by side, and watch what only the node itself can tell."""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from numalocal import names
from numalocal.machine.sysfs import Sysfs
from numalocal_deviceplugin.config import Config
from numalocal_deviceplugin.kubelet import presence, registration
from numalocal_deviceplugin.kubelet.podresources import PodResources
from numalocal_deviceplugin.kubelet.seat import Seat
from numalocal_deviceplugin.node import publisher
from numalocal_deviceplugin.node.document import About
from numalocal_deviceplugin.node.publishing import Publishing
from numalocal_deviceplugin.node.publishing import Timing as PublishingTiming
from numalocal_deviceplugin.node.repair import Repair
from numalocal_deviceplugin.node.watch import NodeWatch
from numalocal_deviceplugin.runtime import nri
from numalocal_deviceplugin.state import State

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How often each part looks and tries, and how long it waits, in seconds."""

    kubelet: presence.Timing = presence.Timing()  # noqa: RUF009 - frozen
    pools: registration.Timing = registration.Timing()  # noqa: RUF009 - frozen
    runtime: nri.Timing = nri.Timing()  # noqa: RUF009 - frozen
    publishing: PublishingTiming = PublishingTiming()  # noqa: RUF009 - frozen
    health_interval_s: float = 10.0
    listing_limit_s: float = 1.0
    seat_poll_s: float = 1.0


def run(
    config: Config,
    state: State,
    stop: threading.Event,
    timing: Timing,
) -> None:
    """Run all parts until told to stop, then end them in good order."""
    with (
        Seat(config.device_plugin_dir, state) as seat,
        PodResources(config.pod_resources_socket) as resources,
    ):
        watch = NodeWatch(
            Sysfs(config.root),
            state,
            lambda: resources.listing(timing.listing_limit_s),
        )
        kubelet = presence.Kubelet(config.device_plugin_dir, state, resources, timing.kubelet)
        link = nri.Link(
            config.nri_socket, state, resources.devices_of, timing.runtime, config.nri_index
        )
        # First of all: where another agent works or the kubelet pins, nobody is adjusted.
        seat.take()
        kubelet.ask()
        watch.look()
        parts = [
            _thread("seat", seat.run, stop, timing.seat_poll_s),
            _thread("kubelet", kubelet.run, stop),
            _thread("nri", link.run, stop),
            _thread("repair", Repair(state, link.update).run, stop, timing.health_interval_s),
            _thread("node-watch", watch.run, stop, timing.health_interval_s),
        ]
        for pool in state.snapshot().node.partition.pools:
            server = registration.PoolServer(pool.name, kubelet, state, timing.pools)
            parts.append(_thread(f"pool-{pool.name}", server.run, stop))
        parts += _publishing(config, state, timing, stop)
        stop.wait()
        watch.wake()
        state.wake()
        for part in parts:
            part.join()


def _publishing(
    config: Config, state: State, timing: Timing, stop: threading.Event
) -> list[threading.Thread]:
    found = publisher.in_cluster(config.node_name, os.environ)
    if found is None:
        log.info("no NodeCpuTopology is written: no node name or no service account")
        return []
    about = About(agent=names.VERSION, kernel=os.uname().release)
    return [_thread("publishing", Publishing(found, state, about, timing.publishing).run, stop)]


def _thread(name: str, run: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=run, args=arguments, name=name, daemon=True)
    thread.start()
    return thread
