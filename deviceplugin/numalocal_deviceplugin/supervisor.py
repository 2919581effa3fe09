"""Run the agent's parts side by side, and watch what only the node itself can tell."""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from numalocal.machine.sysfs import Sysfs
from numalocal_deviceplugin.config import Config
from numalocal_deviceplugin.kubelet import registration
from numalocal_deviceplugin.kubelet.podresources import PodResources
from numalocal_deviceplugin.node import publisher
from numalocal_deviceplugin.node.repair import Repair
from numalocal_deviceplugin.node.watch import NodeWatch
from numalocal_deviceplugin.runtime import nri
from numalocal_deviceplugin.state import State

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How often each part looks and tries, and how long it waits, in seconds."""

    pools: registration.Timing = registration.Timing()  # noqa: RUF009 - frozen
    runtime: nri.Timing = nri.Timing()  # noqa: RUF009 - frozen
    health_interval_s: float = 10.0
    policy_limit_s: float = 1.0


def run(
    config: Config,
    state: State,
    stop: threading.Event,
    timing: Timing,
) -> None:
    """Run all parts until told to stop, then end them in good order."""
    announce = threading.Event()
    with PodResources(config.pod_resources_socket) as resources:
        watch = NodeWatch(
            Sysfs(config.root),
            state,
            lambda: resources.exclusive_cpus(timing.policy_limit_s),
            lambda: resources.listing(timing.policy_limit_s),
        )

        def registered() -> None:
            watch.kubelet_is_new()
            announce.set()

        link = nri.Link(
            config.nri_socket, state, resources.devices_of, timing.runtime, config.nri_index
        )
        watch.look()  # first of all: where the kubelet pins, nobody is adjusted
        parts = [
            _thread("nri", link.run, stop),
            _thread("repair", Repair(state, link.update).run, stop, timing.health_interval_s),
            _thread("node-watch", watch.run, stop, timing.health_interval_s),
        ]
        for pool in state.snapshot().node.partition.pools:
            server = registration.PoolServer(
                pool.name, config.device_plugin_dir, state, registered, timing.pools
            )
            parts.append(_thread(f"pool-{pool.name}", server.run, stop))
        parts += _publishing(config, state, announce, stop)
        stop.wait()
        announce.set()
        watch.wake()
        state.wake()
        for part in parts:
            part.join()


def _publishing(
    config: Config, state: State, wanted: threading.Event, stop: threading.Event
) -> list[threading.Thread]:
    found = publisher.in_cluster(config.node_name, os.environ)
    if found is None:
        log.info("node is not annotated: no node name or no service account")
        return []
    node = state.snapshot().node
    annotation = publisher.pools_annotation(node.partition, node.machine)
    return [_thread("node", publisher.run, found, annotation, wanted, stop)]


def _thread(name: str, run: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=run, args=arguments, name=name, daemon=True)
    thread.start()
    return thread
