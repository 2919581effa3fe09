"""Ask the kubelet's PodResources API: which sets a pod was given, and whether the kubelet pins."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import grpc

from numalocal import names
from numalocal.problems import shown
from numalocal_deviceplugin.errors import DevicesUnknown, KubeletSilent
from numalocal_deviceplugin.settling import Listing
from numalocal_deviceplugin.wire import podresources_v1_pb2, podresources_v1_pb2_grpc

_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.default_authority", "localhost"),
    ("grpc.http2.bdp_probe", 0),  # pings that measure a network there is none of
    # The kubelet's restart must not be felt for longer than it takes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 250),
    # The list is of all pods and of all that they have, whosever it is.
    ("grpc.max_receive_message_length", 16 << 20),
)
_SILENT: Final = (
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,  # it answers 100 questions a second, 10 at once
)


class PodResources:
    """A client whose channel stays open: it is asked while a container waits to be created."""

    def __init__(self, socket: Path) -> None:
        self._channel = grpc.insecure_channel(f"unix:{socket}", options=_OPTIONS)
        self._stub = podresources_v1_pb2_grpc.PodResourcesListerStub(self._channel)
        self._knows_get = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up what is asked now and ask nothing any more."""
        self._channel.close()

    def kubelet_is_new(self) -> None:
        """Ask for single pods again, though the kubelet before did not answer that."""
        self._knows_get = True

    def devices_of(self, namespace: str, name: str, timeout_s: float) -> Sequence[str]:
        """List the ids of all our devices of a pod's containers, as the kubelet orders them.

        Raises:
            DevicesUnknown: where the kubelet knows no such pod.
            KubeletSilent: where it does not answer in time.
        """
        where = f"pod {namespace}/{name}: its CPU sets are not known"
        try:
            pods = self._pods_named(namespace, name, timeout_s)
        except grpc.RpcError as error:
            if _is_silent(error):
                raise KubeletSilent(
                    f"{where}: the kubelet's PodResources API gave no answer within "
                    f"{timeout_s:g} s ({_said(error)}); the container is tried again"
                ) from error
            raise DevicesUnknown(f"{where}: the kubelet says {_said(error)}") from error
        if not pods:
            raise DevicesUnknown(f"{where}: the kubelet lists no such pod")
        return [device for pod in pods for device in _ours(pod)]

    def listing(self, timeout_s: float) -> Listing:
        """List the ids of all our devices of all pods, none for most of them.

        Raises:
            KubeletSilent: where the kubelet does not answer in time, or not to this question.
        """
        try:
            pods = self._listed(timeout_s)
        except grpc.RpcError as error:
            raise KubeletSilent(
                "the kubelet's PodResources API does not list the pods' devices: "
                f"{_said(error)}; it is asked again"
            ) from error
        found: dict[tuple[str, str], frozenset[str]] = {}
        for pod in pods:
            key = pod.namespace, pod.name
            found[key] = found.get(key, frozenset()).union(_ours(pod))
        return found

    def pins_cpus(self, timeout_s: float) -> bool:
        """Tell whether the kubelet's own CPU manager pins: it has CPUs then which it may give away.

        Raises:
            KubeletSilent: where the kubelet does not answer in time, or not to this question.
        """
        request = podresources_v1_pb2.AllocatableResourcesRequest()
        try:
            answer = self._stub.GetAllocatableResources(
                request, timeout=timeout_s, wait_for_ready=True
            )
        except grpc.RpcError as error:
            raise KubeletSilent(_untold(error)) from error
        return bool(answer.cpu_ids)

    def _pods_named(
        self, namespace: str, name: str, timeout_s: float
    ) -> Sequence[podresources_v1_pb2.PodResources]:
        """Get one pod, or find it in the list: Get is off from Kubernetes 1.27 to 1.33.

        Before that it does not exist.  The kubelet's own word is its list: what it could not get
        and lists nevertheless, it will never get.
        """
        until_s = time.monotonic() + timeout_s
        if self._knows_get:
            request = podresources_v1_pb2.GetPodResourcesRequest(
                pod_name=name, pod_namespace=namespace
            )
            try:
                answer = self._stub.Get(request, timeout=timeout_s, wait_for_ready=True)
            except grpc.RpcError as error:
                if _is_silent(error):
                    raise
            else:
                return [answer.pod_resources]
        left_s = max(0.0, until_s - time.monotonic())
        listed = self._listed(left_s)
        found = [pod for pod in listed if (pod.namespace, pod.name) == (namespace, name)]
        if found:
            self._knows_get = False
        return found

    def _listed(self, timeout_s: float) -> Sequence[podresources_v1_pb2.PodResources]:
        request = podresources_v1_pb2.ListPodResourcesRequest()
        answer = self._stub.List(request, timeout=timeout_s, wait_for_ready=True)
        pods: Sequence[podresources_v1_pb2.PodResources] = answer.pod_resources
        return pods


def _ours(pod: podresources_v1_pb2.PodResources) -> list[str]:
    prefix = names.resource("")
    return [
        device
        for container in pod.containers
        for devices in container.devices
        if devices.resource_name.startswith(prefix)
        for device in devices.device_ids
    ]


def _is_silent(error: grpc.RpcError) -> bool:
    """Tell whether the same question may have an answer a moment later."""
    return error.code() in _SILENT


def _said(error: grpc.RpcError) -> str:
    return f"{shown(error.details())}, {error.code().name}"


def _untold(error: grpc.RpcError) -> str:
    """Say why the policy is not known, and what to do where waiting does not help."""
    why = (
        "whether the kubelet pins CPUs itself is not known, so no CPU set is given out and no "
        f"container is adjusted: its PodResources API answers {_said(error)}"
    )
    if _is_silent(error):
        return f"{why}; it is asked again"
    return (
        f"{why}; GetAllocatableResources is there from Kubernetes 1.23 on, unless the kubelet's "
        "feature gate KubeletPodResourcesGetAllocatable is off"
    )
