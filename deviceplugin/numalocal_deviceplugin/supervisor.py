"""Run the agent's parts side by side, and watch what only the node itself can tell."""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from numalocal.errors import MachineUnreadable, PoolUnmet
from numalocal.machine.discovery import online_cpus
from numalocal.machine.sysfs import Sysfs
from numalocal_deviceplugin.config import Config
from numalocal_deviceplugin.errors import KubeletSilent
from numalocal_deviceplugin.kubelet import registration
from numalocal_deviceplugin.kubelet.podresources import PodResources
from numalocal_deviceplugin.node import publisher
from numalocal_deviceplugin.runtime import nri
from numalocal_deviceplugin.state import Availability

log = logging.getLogger(__name__)


class NodeWatch:
    """Look at the online CPUs at every turn, and at the kubelet's CPU manager when it is new."""

    def __init__(
        self,
        sysfs: Sysfs,
        resources: PodResources,
        availability: Availability,
        policy_limit_s: float,
    ) -> None:
        self._sysfs = sysfs
        self._resources = resources
        self._availability = availability
        self._policy_limit_s = policy_limit_s
        self._policy_known = False
        self._turn = threading.Event()

    def kubelet_is_new(self) -> None:
        """Ask for the CPU manager's policy again: it changes only with the kubelet's restart."""
        self._policy_known = False
        self.wake()

    def look(self) -> None:
        """Take in what can be read now; what cannot is left as it was."""
        try:
            self._availability.set_online(online_cpus(self._sysfs))
        except (MachineUnreadable, PoolUnmet) as error:
            log.warning("online CPUs not read", extra={"err": str(error)})
        if not self._policy_known:
            self._look_at_policy()

    def run(self, stop: threading.Event, interval_s: float) -> None:
        """Look at every interval, and at once when the kubelet is new, until told to stop."""
        while not stop.is_set():
            self._turn.wait(interval_s)
            self._turn.clear()
            self.look()

    def wake(self) -> None:
        """Take the next turn now."""
        self._turn.set()

    def _look_at_policy(self) -> None:
        self._policy_known = True  # before asking: a kubelet that is new meanwhile is asked again
        try:
            exclusive = self._resources.exclusive_cpus(self._policy_limit_s)
        except KubeletSilent as error:
            self._policy_known = False
            log.warning("kubelet's CPU manager policy not known", extra={"err": str(error)})
            return
        self._availability.set_pinning_kubelet(pinning=bool(exclusive))
        if exclusive:
            log.error(
                "this node's kubelet pins CPUs itself (CPU manager policy static), and two pinners "
                "must not fight: no CPU set is advertised; set cpuManagerPolicy: none in the "
                "kubelet's configuration, delete cpu_manager_state and restart the kubelet",
                extra={"kubelet_cpus": str(exclusive)},
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How often each part looks and tries, and how long it waits, in seconds."""

    pools: registration.Timing = registration.Timing()  # noqa: RUF009 - frozen
    runtime: nri.Timing = nri.Timing()  # noqa: RUF009 - frozen
    health_interval_s: float = 10.0
    policy_limit_s: float = 1.0


def run(
    config: Config,
    availability: Availability,
    stop: threading.Event,
    timing: Timing,
) -> None:
    """Run all parts until told to stop, then end them in good order."""
    announce = threading.Event()
    with PodResources(config.pod_resources_socket) as resources:
        watch = NodeWatch(Sysfs(config.root), resources, availability, timing.policy_limit_s)

        def registered() -> None:
            watch.kubelet_is_new()
            announce.set()

        parts = [
            _thread(
                "nri",
                nri.run,
                config.nri_socket,
                availability,
                resources.devices_of,
                stop,
                timing.runtime,
            ),
        ]
        watch.look()  # before the first registration: a node that pins is never advertised
        parts.append(_thread("node-watch", watch.run, stop, timing.health_interval_s))
        for pool in availability.partition.pools:
            server = registration.PoolServer(
                pool.name, config.device_plugin_dir, availability, registered, timing.pools
            )
            parts.append(_thread(f"pool-{pool.name}", server.run, stop))
        parts += _publishing(config, availability, announce, stop)
        stop.wait()
        announce.set()
        watch.wake()
        for part in parts:
            part.join()


def _publishing(
    config: Config, availability: Availability, wanted: threading.Event, stop: threading.Event
) -> list[threading.Thread]:
    found = publisher.in_cluster(config.node_name, os.environ)
    if found is None:
        log.info("node is not annotated: no node name or no service account")
        return []
    annotation = publisher.pools_annotation(availability.partition, availability.machine)
    return [_thread("node", publisher.run, found, annotation, wanted, stop)]


def _thread(name: str, run: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=run, args=arguments, name=name, daemon=True)
    thread.start()
    return thread
