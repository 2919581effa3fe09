"""A kubelet's side: Registration that dials back, the reader of ListAndWatch, and PodResources."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import grpc

from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2 as wire
from numalocal_deviceplugin.wire import (
    deviceplugin_v1beta1_pb2_grpc,
    podresources_v1_pb2,
    podresources_v1_pb2_grpc,
)

from .waiting import PATIENCE_S

# ruff: noqa: N802 - gRPC's names

_LOCAL = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.http2.bdp_probe", 0),  # the kubelet's library pings only while data comes
)


class _Closing:
    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Plugin(_Closing):
    """A dialled device plugin: its stub and every list of devices that it sent."""

    def __init__(self, socket: Path) -> None:
        self._channel = grpc.insecure_channel(f"unix:{socket}", options=_LOCAL)
        self.stub: Any = deviceplugin_v1beta1_pb2_grpc.DevicePluginStub(self._channel)
        self.lists: list[dict[str, str]] = []
        self.nodes: dict[str, list[int]] = {}
        self.ended = threading.Event()
        self._stream: Any = None
        self._thread: threading.Thread | None = None

    def watch(self) -> None:
        self._stream = self.stub.ListAndWatch(wire.Empty())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def stop_watching(self) -> None:
        if self._stream is not None and self._thread is not None:
            self._stream.cancel()
            self._thread.join()

    def close(self) -> None:
        self.stop_watching()
        self._channel.close()

    @property
    def devices(self) -> dict[str, str] | None:
        return self.lists[-1] if self.lists else None

    def _read(self) -> None:
        try:
            for response in self._stream:
                self.nodes = {
                    device.ID: [node.ID for node in device.topology.nodes]
                    for device in response.devices
                }
                self.lists.append({device.ID: device.health for device in response.devices})
        except grpc.RpcError:
            pass
        self.ended.set()


class FakeKubelet(_Closing, deviceplugin_v1beta1_pb2_grpc.RegistrationServicer):
    """Serves kubelet.sock in a directory; registered plugins by resource name, latest last.

    `before_answer` runs inside Register, before the dial back.
    """

    def __init__(self, directory: Path, before_answer: Callable[[], None] = lambda: None) -> None:
        self._directory = directory
        self._before_answer = before_answer
        self.registrations: list[wire.RegisterRequest] = []
        self.plugins: list[Plugin] = []
        self._server = grpc.server(ThreadPoolExecutor(4))
        deviceplugin_v1beta1_pb2_grpc.add_RegistrationServicer_to_server(self, self._server)
        (directory / "kubelet.sock").unlink(missing_ok=True)
        self._server.add_insecure_port(f"unix:{directory / 'kubelet.sock'}")
        self._server.start()

    def Register(self, request: wire.RegisterRequest, context: Any) -> wire.Empty:
        self._before_answer()
        plugin = Plugin(self._directory / request.endpoint)
        try:
            plugin.stub.GetDevicePluginOptions(wire.Empty(), timeout=PATIENCE_S)
        except grpc.RpcError as error:
            plugin.close()
            context.abort(grpc.StatusCode.UNKNOWN, f"cannot dial back: {error}")
        plugin.watch()
        self.registrations.append(request)
        self.plugins.append(plugin)
        return wire.Empty()

    @property
    def plugin(self) -> Plugin:
        return self.plugins[-1]

    @property
    def devices(self) -> dict[str, str] | None:
        return self.plugins[-1].devices if self.plugins else None

    def close(self) -> None:
        for plugin in self.plugins:
            plugin.close()
        self._server.stop(None).wait()


class FakePodResources(_Closing, podresources_v1_pb2_grpc.PodResourcesListerServicer):
    """Serves PodResources; `pods` maps namespace/name to (container, resource, ids) triples.

    `refused` are methods that answer an error instead; `twice` lists every pod two times.
    """

    def __init__(
        self,
        socket: Path,
        pods: dict[str, list[tuple[str, str, list[str]]]] | None = None,
        cpu_ids: Iterable[int] = (),
    ) -> None:
        self.pods = pods or {}
        self.cpu_ids = list(cpu_ids)
        self.hold = threading.Event()
        self.hold.set()
        self.asked: list[str] = []
        self.refused: dict[str, tuple[grpc.StatusCode, str]] = {}
        self.twice = False
        self.on_allocatable: Callable[[], None] = lambda: None
        self._server = grpc.server(ThreadPoolExecutor(4))
        podresources_v1_pb2_grpc.add_PodResourcesListerServicer_to_server(self, self._server)
        self._server.add_insecure_port(f"unix:{socket}")
        self._server.start()

    def Get(
        self, request: podresources_v1_pb2.GetPodResourcesRequest, context: Any
    ) -> podresources_v1_pb2.GetPodResourcesResponse:
        self.hold.wait(PATIENCE_S)
        key = f"{request.pod_namespace}/{request.pod_name}"
        self._ask(key, "Get", context)
        if key not in self.pods:
            context.abort(
                grpc.StatusCode.UNKNOWN,
                f"pod {request.pod_name} in namespace {request.pod_namespace} not found",
            )
        return podresources_v1_pb2.GetPodResourcesResponse(pod_resources=self._pod(key))

    def List(
        self, request: podresources_v1_pb2.ListPodResourcesRequest, context: Any
    ) -> podresources_v1_pb2.ListPodResourcesResponse:
        self.hold.wait(PATIENCE_S)
        self._ask("", "List", context)
        listed = [*self.pods, *self.pods] if self.twice else list(self.pods)
        return podresources_v1_pb2.ListPodResourcesResponse(
            pod_resources=[self._pod(key) for key in listed]
        )

    def GetAllocatableResources(
        self, request: podresources_v1_pb2.AllocatableResourcesRequest, context: Any
    ) -> podresources_v1_pb2.AllocatableResourcesResponse:
        self.hold.wait(PATIENCE_S)
        self._ask("allocatable", "GetAllocatableResources", context)
        self.on_allocatable()
        return podresources_v1_pb2.AllocatableResourcesResponse(cpu_ids=self.cpu_ids)

    def _ask(self, asked: str, method: str, context: Any) -> None:
        self.asked.append(asked)
        if method in self.refused:
            context.abort(*self.refused[method])

    def _pod(self, key: str) -> podresources_v1_pb2.PodResources:
        namespace, _, name = key.partition("/")
        return podresources_v1_pb2.PodResources(
            name=name,
            namespace=namespace,
            containers=[
                podresources_v1_pb2.ContainerResources(
                    name=container,
                    devices=[
                        podresources_v1_pb2.ContainerDevices(resource_name=resource, device_ids=ids)
                    ],
                )
                for container, resource, ids in self.pods[key]
            ],
        )

    def close(self) -> None:
        self.hold.set()
        self._server.stop(None).wait()
