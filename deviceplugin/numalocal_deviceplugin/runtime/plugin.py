"""The methods that the container runtime calls: read, plan, answer."""

import logging
import threading
from collections.abc import Mapping
from typing import Final

from numalocal_deviceplugin.binding import Binding
from numalocal_deviceplugin.correcting import Cpuset, corrections
from numalocal_deviceplugin.counters import Cause, Count, Creation, Duration
from numalocal_deviceplugin.errors import AgentError
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.refusals import reason_of
from numalocal_deviceplugin.runtime import deciding, messages
from numalocal_deviceplugin.runtime.deciding import DevicesWithin
from numalocal_deviceplugin.runtime.listed import Listed
from numalocal_deviceplugin.runtime.ttrpc import Handler
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

log = logging.getLogger(__name__)

SERVICE: Final = "nri.pkg.api.v1alpha1.Plugin"

EVENTS: Final = (
    nri.STOP_POD_SANDBOX,
    nri.REMOVE_POD_SANDBOX,
    nri.CREATE_CONTAINER,
    nri.UPDATE_CONTAINER,
    nri.STOP_CONTAINER,
    nri.REMOVE_CONTAINER,
)
_VALIDATOR: Final = "default-validator"
"""The plugin built into runtimes that refuses a container whose pod requires one that is away."""


class Plugin:
    """Answer one connection's calls; a new connection needs a new plugin, as all state is resent.

    Its own state is the list under way in Synchronize.  `synchronized` is set once the runtime's
    full list was answered.
    """

    def __init__(self, state: State, devices_within: DevicesWithin) -> None:
        self._state = state
        self._counters = state.counters
        self._devices_within = devices_within
        self._listed = Listed()
        self.synchronized = threading.Event()

    def methods(self) -> Mapping[str, Handler]:
        """Name the handlers as they are called on the wire."""
        timed = self._counters.timed
        handlers: Mapping[str, Handler] = {
            "Configure": self.configure,
            "Synchronize": timed(Duration.SYNCHRONIZE)(self.synchronize),
            "CreateContainer": timed(Duration.CREATE_CONTAINER)(self.create_container),
            "UpdateContainer": self.update_container,
            "StopContainer": self.stop_container,
            "RemoveContainer": self.remove_container,
            "StopPodSandbox": self.sandbox_gone,
            "RemovePodSandbox": self.sandbox_gone,
            "StateChange": self.state_change,
            "ValidateContainerAdjustment": self.validate,
            "Shutdown": self.shutdown,
        }
        first = self._state.answering()
        return {f"{SERVICE}/{name}": first(handler) for name, handler in handlers.items()}

    def configure(self, payload: bytes, _budget_s: float) -> bytes:
        """Subscribe to the events that the agent needs.

        A runtime turns a plugin away that asks for an event which it does not know, so what came
        with NRI 0.10 is asked of those that tell the version of theirs, which came with 0.12.
        """
        request = nri.ConfigureRequest.FromString(payload)
        told = messages.told(request)
        self._state.runtime_told(told)
        log.info(
            "runtime configured us",
            extra={"runtime": told.name, "version": told.version, "nri": told.nri},
        )
        newer = [nri.VALIDATE_CONTAINER_ADJUSTMENT] if request.nri_version else []
        events = sum(1 << (event - 1) for event in (*EVENTS, *newer))
        return nri.ConfigureResponse(events=events).SerializeToString()

    def synchronize(self, payload: bytes, _budget_s: float) -> bytes:
        """Collect all containers, then answer with those that are bound to the wrong CPUs.

        What moves memory is left to the node's own watch: the runtime waits for this answer.

        Raises:
            FrameInvalid: where the list does not end; half of it must not be taken for all.
        """
        if not self._listed.add(payload):
            return nri.SynchronizeResponse(more=True).SerializeToString()
        pods, containers = self._listed.end(self._state.snapshot().node.ledger)
        now = self._state.rebuild(pods, containers)
        found = corrections(now.node, undecided=now.facts.undecided)
        needed = tuple(one.at_once for one in found)
        self._state.applied(needed)
        self._counters.add(Count.RUNTIME_SYNCHRONIZATIONS)
        self._counters.add(Count.CORRECTIONS, Cause.PLACEMENT, by=len(needed))
        for one in found:
            _log_bound("rebound", one.pod, one.container, one.binding)
        log.info("synchronized", extra={"containers": len(containers), "rebound": len(needed)})
        self.synchronized.set()
        return messages.synchronization(needed).SerializeToString()

    def create_container(self, payload: bytes, budget_s: float) -> bytes:
        """Bind a container before its first instruction, or refuse it with a sentence.

        The answer also takes its CPUs from the containers that they were lent to.
        """
        request = nri.CreateContainerRequest.FromString(payload)
        pod, container = messages.pod(request.pod), messages.container(request.container)
        try:
            devices_of = deciding.within(self._devices_within, budget_s)
            bound, back = deciding.create(self._state, pod, container, devices_of)
        except AgentError as error:
            reason = reason_of(error)
            self._counters.add(Count.CONTAINER_REFUSALS, reason)
            why = {"reason": reason, "err": str(error)}
            log.error("container refused", extra=_fields(pod, container) | why)  # noqa: TRY400
            raise
        self._counters.add(Count.CONTAINER_CREATIONS, _result(bound))
        if bound is not None:
            _log_bound("bound", pod, container, bound)
        return messages.creation(bound, back).SerializeToString()

    def update_container(self, payload: bytes, _budget_s: float) -> bytes:
        """Keep a container's binding whatever else is updated."""
        request = nri.UpdateContainerRequest.FromString(payload)
        pod, container = messages.pod(request.pod), messages.container(request.container)
        cpu = request.linux_resources.cpu
        asked = Cpuset(messages.ids(cpu.cpus), messages.ids(cpu.mems))
        bound = deciding.update(self._state, pod, container, asked)
        if bound is None:
            return nri.UpdateContainerResponse().SerializeToString()
        if asked.cpus and not asked.cpus <= bound.cpus:
            log.warning(
                "update of CPUs overruled",
                extra=_fields(pod, container) | {"asked": str(asked.cpus), "cpus": str(bound.cpus)},
            )
        return messages.update(container.id, bound).SerializeToString()

    def stop_container(self, payload: bytes, _budget_s: float) -> bytes:
        """Forget a container; what its pod holds stays the pod's."""
        request = nri.StopContainerRequest.FromString(payload)
        self._state.stopped(messages.uid(request.pod), request.container.id)
        return nri.StopContainerResponse().SerializeToString()

    def remove_container(self, payload: bytes, _budget_s: float) -> bytes:
        """Forget a container that ended of itself."""
        request = nri.RemoveContainerRequest.FromString(payload)
        self._state.stopped(messages.uid(request.pod), request.container.id)
        return nri.RemoveContainerResponse().SerializeToString()

    def sandbox_gone(self, payload: bytes, _budget_s: float) -> bytes:
        """Forget a pod; both requests have the pod alone."""
        request = nri.StopPodSandboxRequest.FromString(payload)
        self._state.gone(messages.pod(request.pod))
        return nri.StopPodSandboxResponse().SerializeToString()

    def validate(self, payload: bytes, _budget_s: float) -> bytes:
        """Object to nothing, and see whether the runtime refuses what we are away for."""
        request = nri.ValidateContainerAdjustmentRequest.FromString(payload)
        self._state.runtime_validates(any(one.name == _VALIDATOR for one in request.plugins))
        return nri.ValidateContainerAdjustmentResponse().SerializeToString()

    def state_change(self, payload: bytes, _budget_s: float) -> bytes:
        """Take events that have no method of their own; of others than these we hear nothing."""
        event = nri.StateChangeEvent.FromString(payload)
        if event.event in (nri.STOP_CONTAINER, nri.REMOVE_CONTAINER):
            self._state.stopped(messages.uid(event.pod), event.container.id)
        elif event.event in (nri.STOP_POD_SANDBOX, nri.REMOVE_POD_SANDBOX):
            self._state.gone(messages.pod(event.pod))
        return nri.Empty().SerializeToString()

    def shutdown(self, _payload: bytes, _budget_s: float) -> bytes:
        """Acknowledge; the runtime closes the connection next."""
        log.info("runtime shuts down")
        return nri.Empty().SerializeToString()


def _result(bound: Binding | None) -> Creation:
    if bound is None:
        return Creation.LEFT_ALONE
    return Creation.BOUND if bound.mems else Creation.SHARED


def _log_bound(message: str, pod: Pod, container: Container, bound: Binding) -> None:
    level = logging.INFO if bound.mems else logging.DEBUG
    if not log.isEnabledFor(level):
        return
    extra = _fields(pod, container) | {"cpus": str(bound.cpus), "mems": str(bound.mems)}
    log.log(level, message, extra=extra)


def _fields(pod: Pod, container: Container) -> dict[str, str]:
    return {"pod": f"{pod.namespace}/{pod.name}", "container": container.name}
