"""A kubelet as the real one behaves, seen from a device plugin and through PodResources."""

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import grpc

from numalocal_deviceplugin.errors import DevicesUnknown, KubeletSilent
from numalocal_deviceplugin.kubelet.service import DevicePluginService
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2 as wire

from .model_pods import AGENT, Given, Pod


class Aborted(Exception):
    """A gRPC method that was answered with an error status."""


class Context:
    """As much of a gRPC context as the service uses."""

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        raise Aborted(details)


class Read(Exception):
    """Ends a stream at its first message, which is told."""

    def __init__(self, listed: wire.ListAndWatchResponse) -> None:
        self.devices = {one.ID: one.health == "Healthy" for one in listed.devices}


class Stream(Context):
    """The context of a stream that is read once."""

    async def write(self, listed: wire.ListAndWatchResponse) -> NoReturn:
        raise Read(listed)


class ModelKubelet:
    """Pods, the devices that it was told of, and what it gave to whom.

    `own` is the agent's pod.  `begins`: it has just started, and knows of no pod yet.
    """

    def __init__(self) -> None:
        self.pods: list[Pod] = []
        self.services: Mapping[str, DevicePluginService] = {}
        self.devices: dict[str, dict[str, bool]] = {}
        self.silent = False
        self.begins = False
        self.own = Pod("uid-of-agent", "numalocal", AGENT)
        self.policy = Policy.NONE

    def read_devices(self) -> None:
        """Read the first list of each pool's stream; a plugin that is away has none."""
        self.devices = {pool: dict.fromkeys(ids, False) for pool, ids in self.devices.items()}
        for pool, service in self.services.items():
            context: Any = Stream()
            try:
                service.ListAndWatch(wire.Empty(), context).send(None)
            except Read as read:
                self.devices[pool] = read.devices

    def in_use(self) -> set[str]:
        return {
            device
            for pod in self.pods
            if pod.known
            for given in pod.given.values()
            for device in given.ids
        }

    def healthy(self) -> set[str]:
        return {one for devices in self.devices.values() for one, well in devices.items() if well}

    def admit(self, pod: Pod, pool: str, *, asks: bool) -> bool:
        """Give a pod its devices; False where there are too few, and it stays pending.

        Raises:
            Aborted: where the plugin does not allocate; the pod has failed then.
        """
        wanted = sum(pod.kind.requests.values())
        free = sorted(self.healthy() & self.devices.get(pool, {}).keys() - self.in_use())
        if wanted > len(free):
            return False
        for container, count in pod.kind.requests.items():
            ids = self._chosen(pool, free, count) if asks else free[:count]
            pod.given[container] = self._allocated(pool, ids)
            free = [one for one in free if one not in ids]
        pod.once.update(pod.given)
        pod.admitted = True
        return True

    def forget(self) -> None:
        """Lose the checkpoint: pods that run stay, and nobody was given anything."""
        for pod in self.pods:
            pod.given = {}

    def listing(self) -> dict[tuple[str, str], frozenset[str]]:
        if self.silent:
            raise KubeletSilent("the kubelet does not answer")
        return {
            (pod.kind.namespace, pod.name): frozenset(
                one for given in pod.given.values() for one in given.ids
            )
            for pod in ([] if self.begins else [self.own, *self.pods])
            if pod.known
        }

    def devices_within(self, namespace: str, name: str, _timeout_s: float) -> Iterable[str]:
        if self.silent:
            raise KubeletSilent("the kubelet does not answer")
        for pod in [] if self.begins else self.pods:
            if pod.known and (pod.kind.namespace, pod.name) == (namespace, name):
                return [one for given in pod.given.values() for one in given.ids]
        raise DevicesUnknown(f"pod {namespace}/{name} is not known")

    def _chosen(self, pool: str, free: list[str], count: int) -> list[str]:
        one = wire.ContainerPreferredAllocationRequest(
            available_deviceIDs=free, allocation_size=count
        )
        request = wire.PreferredAllocationRequest(container_requests=[one])
        context: Any = Context()
        answer = self.services[pool].GetPreferredAllocation(request, context)
        (response,) = answer.container_responses
        assert set(response.deviceIDs) <= set(free)
        assert len(response.deviceIDs) == count
        return list(response.deviceIDs)

    def _allocated(self, pool: str, ids: list[str]) -> Given:
        one = wire.ContainerAllocateRequest(devices_ids=ids)
        context: Any = Context()
        answer = self.services[pool].Allocate(
            wire.AllocateRequest(container_requests=[one]), context
        )
        (response,) = answer.container_responses
        return Given(pool, tuple(ids), dict(response.annotations), dict(response.envs))
