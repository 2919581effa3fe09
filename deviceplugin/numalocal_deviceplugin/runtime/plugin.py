"""The methods that the container runtime calls: read, plan, answer."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from numalocal.idset import IdSet, union
from numalocal_deviceplugin import binding
from numalocal_deviceplugin.binding import Binding
from numalocal_deviceplugin.errors import AgentError, KubeletSilent
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.runtime import messages
from numalocal_deviceplugin.runtime.ttrpc import Handler
from numalocal_deviceplugin.state import Availability
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

log = logging.getLogger(__name__)

DevicesWithin = Callable[[str, str, float], Iterable[str]]
"""Look up the device ids of a pod by namespace and name within so many seconds."""

SERVICE: Final = "nri.pkg.api.v1alpha1.Plugin"

EVENTS: Final = (
    nri.CREATE_CONTAINER,
    nri.UPDATE_CONTAINER,
    nri.STOP_CONTAINER,
    nri.REMOVE_CONTAINER,
)
LOOKUP_LIMIT_S: Final = 1.0
"""Longest wait for the kubelet; the runtime's own limit is 2 s, after which it starts unbound."""


class Plugin:
    """Answer one connection's calls; a new connection needs a new plugin, as all state is resent.

    The only state is the list under way in Synchronize and the CPUs that containers of another
    pool configuration hold, by container id.  `synchronized` is set once the runtime's full list
    was answered.
    """

    def __init__(self, availability: Availability, devices_within: DevicesWithin) -> None:
        self._availability = availability
        self._devices_within = devices_within
        self._pods: list[nri.PodSandbox] = []
        self._containers: list[nri.Container] = []
        self._lock = threading.Lock()
        self._held: dict[str, IdSet] = {}
        self.synchronized = threading.Event()

    def methods(self) -> Mapping[str, Handler]:
        """Name the handlers as they are called on the wire."""
        handlers: Mapping[str, Handler] = {
            "Configure": self.configure,
            "Synchronize": self.synchronize,
            "CreateContainer": self.create_container,
            "UpdateContainer": self.update_container,
            "StopContainer": self.stop_container,
            "RemoveContainer": self.remove_container,
            "StateChange": self.state_change,
            "Shutdown": self.shutdown,
        }
        return {f"{SERVICE}/{name}": handler for name, handler in handlers.items()}

    def configure(self, payload: bytes, _budget_s: float) -> bytes:
        """Subscribe to the events that the agent needs.

        Where the runtime can, it refuses a container that the agent did not answer for in time.
        """
        request = nri.ConfigureRequest.FromString(payload)
        log.info(
            "runtime configured us",
            extra={"runtime": request.runtime_name, "version": request.runtime_version},
        )
        events = sum(1 << (event - 1) for event in EVENTS)
        policy = nri.FailurePolicy(fail_request=True)
        return nri.ConfigureResponse(events=events, failure_policy=policy).SerializeToString()

    def synchronize(self, payload: bytes, budget_s: float) -> bytes:
        """Collect all containers, then answer with those that are bound to the wrong CPUs."""
        request = nri.SynchronizeRequest.FromString(payload)
        self._pods += request.pods
        self._containers += request.containers
        if request.more:
            return nri.SynchronizeResponse(more=True).SerializeToString()
        containers = tuple(messages.with_pods(self._pods, self._containers))
        self._pods, self._containers = [], []
        self._hold_again(containers)
        found = binding.corrections(
            containers, self._availability.node(), self._lookup_until_silent(budget_s)
        )
        _log_corrections(found, total=len(containers))
        self.synchronized.set()
        return messages.synchronization(found.needed).SerializeToString()

    def create_container(self, payload: bytes, budget_s: float) -> bytes:
        """Bind a container before its first instruction, or refuse it with a sentence."""
        request = nri.CreateContainerRequest.FromString(payload)
        pod, container = messages.pod(request.pod), messages.container(request.container)
        self._hold(container)
        bound = self._bind(pod, container, budget_s, new=True)
        _log_bound("bound", pod, container, bound)
        return messages.adjustment(bound).SerializeToString()

    def update_container(self, payload: bytes, budget_s: float) -> bytes:
        """Keep a container's binding whatever else is updated.

        The kubelet's static CPU manager writes its own CPUs every 10 s.
        """
        request = nri.UpdateContainerRequest.FromString(payload)
        pod, container = messages.pod(request.pod), messages.container(request.container)
        bound = self._bind(pod, container, budget_s)
        asked = messages.ids(request.linux_resources.cpu.cpus)
        if asked and not asked <= bound.cpus:
            log.warning(
                "update of CPUs overruled",
                extra=_fields(pod, container) | {"asked": str(asked), "cpus": str(bound.cpus)},
            )
        return messages.update(container.id, bound).SerializeToString()

    def stop_container(self, payload: bytes, _budget_s: float) -> bytes:
        """Release what a container of another pool configuration held."""
        self._release(nri.StopContainerRequest.FromString(payload).container.id)
        return nri.StopContainerResponse().SerializeToString()

    def remove_container(self, payload: bytes, _budget_s: float) -> bytes:
        """Release what was held by a container that ended of itself."""
        self._release(nri.RemoveContainerRequest.FromString(payload).container.id)
        return nri.RemoveContainerResponse().SerializeToString()

    def state_change(self, payload: bytes, _budget_s: float) -> bytes:
        """Take events that have no method of their own; most are of no interest."""
        event = nri.StateChangeEvent.FromString(payload)
        if event.event in (nri.STOP_CONTAINER, nri.REMOVE_CONTAINER):
            self._release(event.container.id)
        return nri.Empty().SerializeToString()

    def shutdown(self, _payload: bytes, _budget_s: float) -> bytes:
        """Acknowledge; the runtime closes the connection next."""
        log.info("runtime shuts down")
        return nri.Empty().SerializeToString()

    def _bind(
        self, pod: Pod, container: Container, budget_s: float, *, new: bool = False
    ) -> Binding:
        limit_s = _limit_s(budget_s)
        try:
            return binding.bind(
                pod,
                container,
                self._availability.node(),
                lambda namespace, name: self._devices_within(namespace, name, limit_s),
                new=new,
            )
        except AgentError as error:
            log.error("container refused", extra=_fields(pod, container) | {"err": str(error)})  # noqa: TRY400
            raise

    def _lookup_until_silent(self, budget_s: float) -> binding.DevicesOf:
        """Ask the kubelet for as long as it answers: all pods together share one limit."""
        deadline_s = time.monotonic() + _limit_s(budget_s)

        def look_up(namespace: str, name: str) -> Iterable[str]:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise KubeletSilent(
                    f"pod {namespace}/{name}: its devices were not asked for, "
                    "as the kubelet is slow to answer for other pods"
                )
            return self._devices_within(namespace, name, left_s)

        return look_up

    def _hold_again(self, containers: Iterable[tuple[Pod, Container]]) -> None:
        partition = self._availability.partition
        with self._lock:
            self._held = {
                container.id: binding.foreign_cpus(container, partition)
                for _, container in containers
                if container.live
            }
        self._publish_held()

    def _hold(self, container: Container) -> None:
        cpus = binding.foreign_cpus(container, self._availability.partition)
        if cpus:
            with self._lock:
                self._held[container.id] = cpus
            self._publish_held()

    def _release(self, container_id: str) -> None:
        with self._lock:
            released = self._held.pop(container_id, None)
        if released:
            self._publish_held()

    def _publish_held(self) -> None:
        with self._lock:
            held = union(self._held.values())
        self._availability.set_held(held)


def _limit_s(budget_s: float) -> float:
    """Leave half of the runtime's time for everything but the look-up."""
    return min(LOOKUP_LIMIT_S, budget_s / 2)


def _log_corrections(found: binding.Corrections, *, total: int) -> None:
    for one in found.needed:
        _log_bound("rebound", one.pod, one.container, one.binding)
    for refusal in found.refusals:
        log.error("running container is not bound", extra={"err": str(refusal)})
    log.info(
        "synchronized",
        extra={
            "containers": total,
            "rebound": len(found.needed),
            "refused": len(found.refusals),
        },
    )


def _log_bound(message: str, pod: Pod, container: Container, bound: Binding) -> None:
    level = logging.INFO if bound.mems else logging.DEBUG
    extra = _fields(pod, container) | {"cpus": str(bound.cpus), "mems": str(bound.mems)}
    log.log(level, message, extra=extra)


def _fields(pod: Pod, container: Container) -> dict[str, str]:
    return {"pod": f"{pod.namespace}/{pod.name}", "container": container.name}
