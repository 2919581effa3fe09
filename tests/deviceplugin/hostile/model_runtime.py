"""A container runtime as the real ones behave, seen from an NRI plugin."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.message import Message

from numalocal import names
from numalocal.errors import NumalocalError
from numalocal.idset import IdSet
from numalocal_deviceplugin.errors import CallFailed, ConnectionLost
from numalocal_deviceplugin.runtime import errand
from numalocal_deviceplugin.runtime.plugin import Plugin
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

from .model_pods import STOPPED, Container, Pod, Sandbox

BUDGET_S = 2.0
_REPEATABLE = 12

RUNTIMES = (
    NEW := ("v2.4.2", "v0.12.3", False),
    ("v2.4.2", "v0.12.3", True),
    ("1.7.24~ds1", "", False),
)
"""Versions, those of their NRI, and whether their validator is on."""


class RuntimeFailed(Exception):
    """A container that the runtime could not create after the agent had agreed."""


class Refused(Exception):
    """A container whose creation the agent refused."""


class ModelRuntime:
    """Sandboxes and containers, and the one plugin that is told of them.

    It fails open: without a plugin, or when the connection is lost meanwhile, a container starts as
    it is.  `loses` says what of the next call is lost, with the connection: the request or its
    answer.  `defers` holds the next event back.  `version` is what it is and `nri` that of its NRI
    when it is started next, `enforces` whether it then creates no container that requires a plugin
    which is away.
    """

    def __init__(self) -> None:
        self.sandboxes: list[Sandbox] = []
        self.containers: list[Container] = []
        self.plugin: Plugin | None = None
        self.lost: Callable[[], None] = lambda: None
        self.barred: Callable[[], bool] = lambda: False
        self.loses = ""
        self.defers = False
        self.by_name = True
        self.refuses_updates = False
        self.version, self.nri, self.enforces = NEW
        self.deferred: deque[tuple[str, Message, Sandbox | None]] = deque()
        self.sent: deque[tuple[str, Message]] = deque(maxlen=_REPEATABLE)
        self._number = 0

    def live(self) -> list[Container]:
        return [one for one in self.containers if one.live]

    def connect(self, plugin: Plugin, parts: int) -> None:
        """Configure and synchronize a plugin; it is told of no container that has stopped."""
        self.plugin = plugin
        told = nri.ConfigureRequest(
            runtime_name="containerd", runtime_version=self.version, nri_version=self.nri
        )
        self._call("configure", told)
        if not self._synchronize(parts):
            return
        self.deferred.clear()
        for one in self.sandboxes:
            one.told = one.stopped

    def synchronize_again(self) -> None:
        self._synchronize(1)

    def disconnect(self) -> None:
        self.plugin = None
        self.deferred.clear()
        for one in self.sandboxes:
            one.told = one.stopped
        self.lost()

    def restart(self, which: int) -> None:
        """Start again as another version; containers live on."""
        if self.plugin is not None:
            self.disconnect()
        self.version, self.nri, self.enforces = RUNTIMES[which % len(RUNTIMES)]

    def run_sandbox(self, pod: Pod) -> Sandbox:
        pod.sandbox = Sandbox(self._named("sandbox"), pod, pod.sandbox)
        pod.checked = False
        self.sandboxes.append(pod.sandbox)
        return pod.sandbox

    def create(
        self, sandbox: Sandbox, name: str, annotations: dict[str, str], *, fails: bool = False
    ) -> Container:
        """Create and start a container.

        Raises:
            Refused: where the agent refuses it.
            RuntimeFailed: where the runtime then fails.
        """
        one = Container(self._named(name), sandbox, name, annotations, env=["PATH=/bin"])
        one.state = nri.CONTAINER_CREATED
        required = names.ANNOTATION_REQUIRED_PLUGINS in sandbox.pod.kind.annotations
        if self.enforces and required and self.plugin is None:
            raise Refused('required plugin "numalocal" not present')
        request = nri.CreateContainerRequest(pod=sandbox.message(), container=one.message())
        try:
            answer = self._call("create_container", request)
        except NumalocalError as error:
            self._forget(one)
            raise Refused(str(error)) from error
        if answer is not None:
            response = nri.CreateContainerResponse.FromString(answer)
            assert not (self.barred() and response.HasField("adjust")), "two pinners fight"
            self._set(one, response.adjust.linux.resources.cpu)
            self._set_policy(one, response.adjust.linux)
            one.env += [f"{entry.key}={entry.value}" for entry in response.adjust.env]
            one.answered, one.born_on = True, IdSet.parse(one.cpus)
            self._update(response.update)
            self._validate()
        if fails:
            self._forget(one)
            raise RuntimeFailed
        one.state = nri.CONTAINER_RUNNING
        self.containers.append(one)
        return one

    def update(self, one: Container, cpus: str) -> None:
        """Update a container's resources, as the kubelet asks."""
        wanted = nri.LinuxResources(cpu=nri.LinuxCPU(cpus=cpus))
        request = nri.UpdateContainerRequest(
            pod=one.sandbox.message(), container=one.message(), linux_resources=wanted
        )
        try:
            answer = self._call("update_container", request)
        except NumalocalError:
            return
        self._set(one, wanted.cpu)
        if answer is not None:
            self._update(nri.UpdateContainerResponse.FromString(answer).update)

    def crash(self, one: Container) -> None:
        """Let it end by itself: nobody is told."""
        one.state = STOPPED

    def stop(self, one: Container) -> None:
        one.state = STOPPED
        self._event("stop_container", self._about(nri.StopContainerRequest, one))

    def remove(self, one: Container) -> None:
        one.state = STOPPED
        if one in self.containers:
            self.containers.remove(one)
        if self.by_name:
            self._event("remove_container", self._about(nri.RemoveContainerRequest, one))
        else:
            event = self._about(nri.StateChangeEvent, one)
            event.event = nri.REMOVE_CONTAINER
            self._event("state_change", event)

    def stop_sandbox(self, one: Sandbox) -> None:
        for container in self.containers:
            if container.sandbox is one and container.live:
                self.stop(container)
        one.stopped = True
        self._gone(one, nri.STOP_POD_SANDBOX)

    def remove_sandbox(self, one: Sandbox) -> None:
        if not one.stopped:
            self.stop_sandbox(one)
        for container in [each for each in self.containers if each.sandbox is one]:
            self.remove(container)
        self.sandboxes.remove(one)
        self._gone(one, nri.REMOVE_POD_SANDBOX)

    def deliver(self) -> None:
        """Deliver what was held back."""
        while self.deferred:
            self._deliver(*self.deferred.popleft())

    def repeat(self, place: int) -> None:
        """Deliver an event once more."""
        if self.sent:
            self._call(*self.sent[place % len(self.sent)])

    def correct(self, choose: errand.Choose) -> None:
        """Let the agent register once more, for nothing but a list to answer."""
        if self.plugin is None:
            raise ConnectionLost("no runtime")
        if self.refuses_updates:
            raise CallFailed("the container runtime did not ask what to correct in time")
        methods = errand.Errand(choose).methods()
        synchronize = next(one for name, one in methods.items() if name.endswith("/Synchronize"))
        answer = synchronize(self._list(0, 1).SerializeToString(), BUDGET_S)
        self._update(nri.SynchronizeResponse.FromString(answer).update)

    def _synchronize(self, parts: int) -> bool:
        """List what is not stopped; sandboxes are listed until they are removed."""
        for part in range(parts):
            request = self._list(part, parts)
            answer = self._call("synchronize", request)
            if answer is None:
                return False
            response = nri.SynchronizeResponse.FromString(answer)
            assert response.more == request.more
            self._update(response.update)
        return True

    def _list(self, part: int, parts: int) -> nri.SynchronizeRequest:
        pods = [one.message() for one in self.sandboxes if one.listed]
        containers = [one.message() for one in self.live()]
        return nri.SynchronizeRequest(
            pods=pods[part::parts], containers=containers[part::parts], more=part < parts - 1
        )

    def _gone(self, one: Sandbox, event: nri.Event) -> None:
        if self.by_name:
            self._event("sandbox_gone", nri.StopPodSandboxRequest(pod=one.message()), one)
        else:
            told = nri.StateChangeEvent(event=event, pod=one.message())
            self._event("state_change", told, one)

    def _event(self, method: str, message: Message, stops: Sandbox | None = None) -> None:
        if self.plugin is None:
            if stops is not None:
                stops.told = True  # it will not be listed as running
            return
        if self.defers:
            self.defers = False
            self.deferred.append((method, message, stops))
            return
        self._deliver(method, message, stops)

    def _deliver(self, method: str, message: Message, stops: Sandbox | None) -> None:
        self._call(method, message)
        self.sent.append((method, message))
        if stops is not None:
            stops.hear()

    def _call(self, method: str, message: Message) -> bytes | None:
        """Call the plugin; None where it hears nothing, or its answer is lost."""
        if self.plugin is None:
            return None
        lost, self.loses = self.loses, ""
        if lost == "request":
            self.disconnect()
            return None
        try:
            answer: bytes = getattr(self.plugin, method)(message.SerializeToString(), BUDGET_S)
        except NumalocalError:
            if lost:
                self.disconnect()
                return None
            raise
        if lost:
            self.disconnect()
            return None
        return answer

    def _set_policy(self, one: Container, linux: nri.LinuxContainerAdjustment) -> None:
        """Set what runc is told; the kernel takes no nodes but the container's own."""
        if linux.HasField("memory_policy"):
            assert self.nri, "an old runtime is sent a policy, which it drops"
            assert IdSet.parse(linux.memory_policy.nodes) <= IdSet.parse(one.mems)
            one.policy = linux.memory_policy.mode

    def _validate(self) -> None:
        """Let all plugins see what a container gets, where NRI has that."""
        if self.nri:
            names_ = ["default-validator", names.PLUGIN] if self.enforces else [names.PLUGIN]
            plugins = [nri.PluginInstance(name=each) for each in names_]
            request = nri.ValidateContainerAdjustmentRequest(plugins=plugins)
            self._call("validate", request)

    def _forget(self, one: Container) -> None:
        """Tell of the end of a container that never started."""
        one.state = STOPPED
        self._event("stop_container", self._about(nri.StopContainerRequest, one))
        self._event("remove_container", self._about(nri.RemoveContainerRequest, one))

    def _update(self, updates: Iterable[nri.ContainerUpdate]) -> None:
        for update in updates:
            assert not self.barred(), "two pinners fight"
            for one in self.live():
                if one.id == update.container_id:
                    self._set(one, update.linux.resources.cpu)

    def _set(self, one: Container, cpu: nri.LinuxCPU) -> None:
        one.cpus = cpu.cpus or one.cpus
        one.mems = cpu.mems or one.mems
        assert not cpu.cpus or IdSet.parse(cpu.cpus)

    def _about(self, kind: type[Any], one: Container) -> Any:
        return kind(pod=one.sandbox.message(), container=one.message())

    def _named(self, what: str) -> str:
        self._number += 1
        return f"{what}-{self._number}"
