"""The methods that the container runtime calls: read, plan, answer."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from numalocal import names
from numalocal.sets.memoryask import BINDER_WORDS
from numalocal_deviceplugin import assigning, binding, correcting
from numalocal_deviceplugin.assigning import DevicesOf
from numalocal_deviceplugin.binding import Binding
from numalocal_deviceplugin.counters import Cause, Count, Creation, Duration
from numalocal_deviceplugin.errors import AgentError, FrameInvalid
from numalocal_deviceplugin.pods import Container, Pod, resident
from numalocal_deviceplugin.refusals import reason_of
from numalocal_deviceplugin.runtime import messages
from numalocal_deviceplugin.runtime.ttrpc import Handler
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

log = logging.getLogger(__name__)

DevicesWithin = Callable[[str, str, float], Iterable[str]]
"""Look up the device ids of a pod by namespace and name within so many seconds."""

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
LOOKUP_LIMIT_S: Final = 1.0
"""Longest wait for the kubelet; the runtime's own limit is 2 s, after which it starts unbound."""
_MOST_LISTED_BYTES: Final = 64 << 20
"""Of the messages of one list: five hundred containers take three."""


class Plugin:
    """Answer one connection's calls; a new connection needs a new plugin, as all state is resent.

    Its own state is the list under way in Synchronize.  `synchronized` is set once the runtime's
    full list was answered.
    """

    def __init__(self, state: State, devices_within: DevicesWithin) -> None:
        self._state = state
        self._counters = state.counters
        self._devices_within = devices_within
        self._pods: dict[str, Pod] = {}
        self._containers: list[tuple[Pod, Container]] = []
        self._listed_bytes = 0
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
        self._listed_bytes += len(payload)
        if self._listed_bytes > _MOST_LISTED_BYTES:
            self._pods, self._containers = {}, []
            raise FrameInvalid(
                f"the container runtime's list has more than {_MOST_LISTED_BYTES} bytes"
            )
        request = nri.SynchronizeRequest.FromString(payload)
        self._pods |= {message.id: messages.pod(message) for message in request.pods}
        self._containers += messages.residents(request.containers)
        if request.more:
            return nri.SynchronizeResponse(more=True).SerializeToString()
        # Only now: a container may have come in an earlier part than its pod.
        listed = [(pod, one) for pod, one in self._containers if one.live]
        pods = self._unlisted(pod for pod, _ in listed) | self._pods
        self._pods, self._containers, self._listed_bytes = {}, [], 0
        containers = [(pods[pod.id], one) for pod, one in listed]
        now = self._state.rebuild(pods.values(), containers)
        found = correcting.corrections(now.node, undecided=now.facts.undecided)
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
            bound, back = self._born(pod, container, budget_s)
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
        now = self._state.snapshot()
        tenant = now.node.ledger.tenants.get(pod.uid)
        claim = None if tenant is None else tenant.claims.get(container.name)
        bound = binding.kept(pod, container, claim, now.node)
        cpu = request.linux_resources.cpu
        asked = messages.ids(cpu.cpus)
        if bound is None or container.id in now.facts.undecided:
            mems = messages.ids(cpu.mems)
            left = Binding(cpus=asked or container.cpus, mems=mems, environment={})
            self._state.applied([_correction(pod, container, left)])
            return nri.UpdateContainerResponse().SerializeToString()
        if asked and not asked <= bound.cpus:
            log.warning(
                "update of CPUs overruled",
                extra=_fields(pod, container) | {"asked": str(asked), "cpus": str(bound.cpus)},
            )
        self._state.applied([_correction(pod, container, bound)])
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

    def _born(
        self, pod: Pod, container: Container, budget_s: float
    ) -> tuple[Binding | None, tuple[correcting.Correction, ...]]:
        node = self._state.snapshot().node
        given = assigning.assignment_of(pod, container, node, self._lookup(budget_s))
        node = self._state.admit(pod, container, given).node
        bound = binding.born(pod, container, given, node)
        back = () if given is None else correcting.taken_back(node, given.cpus)
        self._state.created(pod, _as_born(container, bound), back)
        return bound, back

    def _unlisted(self, pods: Iterable[Pod]) -> dict[str, Pod]:
        """Give by sandbox what is known of pods that the runtime may not list.

        containerd lists the containers of sandboxes whose state it could not find out when it
        started, and not these: what lives there holds its CPUs all the same.
        """
        tenants = self._state.snapshot().node.ledger.tenants.values()
        known = {one.pod.id: one.pod for one in tenants}
        return {pod.id: known.get(pod.id, pod) for pod in pods}

    def _lookup(self, budget_s: float) -> DevicesOf:
        """Leave half of the runtime's time for everything but the look-up."""
        limit_s = min(LOOKUP_LIMIT_S, budget_s / 2)
        return lambda namespace, name: self._devices_within(namespace, name, limit_s)


def _correction(pod: Pod, container: Container, now: Binding) -> correcting.Correction:
    was = correcting.Cpuset(container.cpus, container.mems)
    return correcting.Correction(pod=pod, container=resident(container), now=was, binding=now)


def _as_born(container: Container, bound: Binding | None) -> Container:
    """Give a container as the runtime will have it, with the answer applied."""
    if bound is None:
        return resident(container)
    # Its own variables may hide ours: the answer itself is the proof of how it was born.
    variables = {names.ENV_RANK_COMPUTE_CPUS: ""} if bound.mems else {}
    if bound.policy_nodes:
        variables[names.ENV_MEMORY_POLICY] = BINDER_WORDS[bound.policy]
        variables[names.ENV_MEMORY_POLICY_NODES] = str(bound.policy_nodes)
    born = container._replace(cpus=bound.cpus, mems=bound.mems, variables=variables)
    return resident(born)._replace(live=True, runs=False)


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
