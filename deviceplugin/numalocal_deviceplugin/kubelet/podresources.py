"""Ask the kubelet's PodResources API: which sets a pod was given, and whether the kubelet pins."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import grpc

from numalocal import names
from numalocal.idset import IdSet
from numalocal_deviceplugin.errors import DevicesUnknown, KubeletSilent
from numalocal_deviceplugin.settling import Listing
from numalocal_deviceplugin.wire import podresources_v1_pb2, podresources_v1_pb2_grpc

_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.default_authority", "localhost"),
    # The kubelet's restart must not be felt for longer than it takes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
_SILENT: Final = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)


class PodResources:
    """A client whose channel stays open: it is asked while a container waits to be created."""

    def __init__(self, socket: Path) -> None:
        self._channel = grpc.insecure_channel(f"unix:{socket}", options=_OPTIONS)
        self._stub = podresources_v1_pb2_grpc.PodResourcesListerStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.close()

    def devices_of(self, namespace: str, name: str, timeout_s: float) -> Sequence[str]:
        """List the ids of all our devices of a pod's containers, as the kubelet orders them.

        Raises:
            DevicesUnknown: where the kubelet answers with an error, as it does for unknown pods.
            KubeletSilent: where it does not answer in time.
        """
        request = podresources_v1_pb2.GetPodResourcesRequest(pod_name=name, pod_namespace=namespace)
        try:
            answer = self._stub.Get(request, timeout=timeout_s, wait_for_ready=True)
        except grpc.RpcError as error:
            where = f"pod {namespace}/{name}: its CPU sets are not known"
            if error.code() in _SILENT:
                raise KubeletSilent(
                    f"{where}: the kubelet's PodResources API gave no answer within "
                    f"{timeout_s:g} s; the container is tried again"
                ) from error
            raise DevicesUnknown(
                f"{where}: the kubelet says {error.details()!r} ({error.code().name})"
            ) from error
        return _ours(answer.pod_resources)

    def listing(self, timeout_s: float) -> Listing:
        """List the ids of all our devices of all pods.

        Raises:
            KubeletSilent: where the kubelet does not answer in time, or not to this question.
        """
        request = podresources_v1_pb2.ListPodResourcesRequest()
        try:
            answer = self._stub.List(request, timeout=timeout_s, wait_for_ready=True)
        except grpc.RpcError as error:
            raise KubeletSilent(
                "the kubelet's PodResources API does not list the pods' devices: "
                f"{error.details()!r} ({error.code().name})"
            ) from error
        return {
            (pod.namespace, pod.name): ids
            for pod in answer.pod_resources
            if (ids := frozenset(_ours(pod)))
        }

    def exclusive_cpus(self, timeout_s: float) -> IdSet:
        """Give the CPUs from which the kubelet's own CPU manager pins; empty where it does not.

        Raises:
            KubeletSilent: where the kubelet does not answer in time, or not to this question.
        """
        request = podresources_v1_pb2.AllocatableResourcesRequest()
        try:
            answer = self._stub.GetAllocatableResources(
                request, timeout=timeout_s, wait_for_ready=True
            )
        except grpc.RpcError as error:
            raise KubeletSilent(
                f"the kubelet's PodResources API does not tell what it allocates: "
                f"{error.details()!r} ({error.code().name})"
            ) from error
        return IdSet.of(answer.cpu_ids)


def _ours(pod: podresources_v1_pb2.PodResources) -> list[str]:
    prefix = names.resource("")
    return [
        device
        for container in pod.containers
        for devices in container.devices
        if devices.resource_name.startswith(prefix)
        for device in devices.device_ids
    ]
