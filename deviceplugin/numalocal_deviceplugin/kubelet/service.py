"""The device plugin's gRPC methods: translate, plan, translate back."""

import logging
import threading
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import grpc

from numalocal.errors import NumalocalError
from numalocal.sets.cpusets import CpuSet
from numalocal_deviceplugin.kubelet import allocation
from numalocal_deviceplugin.kubelet.offers import Device
from numalocal_deviceplugin.state import Availability
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2 as wire
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2_grpc

# gRPC calls the methods below by the names of the contract, hence N802 throughout.
# ruff: noqa: N802

log = logging.getLogger(__name__)

OPTIONS: Final = wire.DevicePluginOptions(get_preferred_allocation_available=True)

_WAIT_S = 5.0
"""How often a stream looks again unasked: it notices the end of the runtime's grace."""


class DevicePluginService(deviceplugin_v1beta1_pb2_grpc.DevicePluginServicer):
    """Serve one pool on one socket; a socket that is served again gets a new service."""

    def __init__(self, pool: str, availability: Availability, wait_s: float = _WAIT_S) -> None:
        self._pool = pool
        self._availability = availability
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._streams = 0

    @property
    def watched(self) -> bool:
        """Whether the kubelet reads the list of devices now."""
        with self._lock:
            return self._streams > 0

    def GetDevicePluginOptions(
        self, _request: wire.Empty, _context: grpc.ServicerContext
    ) -> wire.DevicePluginOptions:
        """Tell that allocations want a preference and that starts need no preparation."""
        return OPTIONS

    def ListAndWatch(
        self, _request: wire.Empty, context: grpc.ServicerContext
    ) -> Iterator[wire.ListAndWatchResponse]:
        """Send all devices now and at every change, until the stream or the server ends."""
        if not context.add_callback(self._availability.wake):
            return
        with self._lock:
            self._streams += 1
        try:
            yield from self._changes(context)
        finally:
            with self._lock:
                self._streams -= 1

    def GetPreferredAllocation(
        self, request: wire.PreferredAllocationRequest, context: grpc.ServicerContext
    ) -> wire.PreferredAllocationResponse:
        """Choose among the free sets for each container."""
        try:
            return wire.PreferredAllocationResponse(
                container_responses=[self._preferred(one) for one in request.container_requests]
            )
        except NumalocalError as error:
            _abort(context, error)

    def Allocate(
        self, request: wire.AllocateRequest, context: grpc.ServicerContext
    ) -> wire.AllocateResponse:
        """Give each container the environment and the annotation of its sets."""
        try:
            return wire.AllocateResponse(
                container_responses=[self._allocate(one) for one in request.container_requests]
            )
        except NumalocalError as error:
            _abort(context, error)

    def PreStartContainer(
        self, _request: wire.PreStartContainerRequest, _context: grpc.ServicerContext
    ) -> wire.PreStartContainerResponse:
        """Do nothing: the binding is applied at the container's creation."""
        return wire.PreStartContainerResponse()

    def _changes(self, context: Any) -> Iterator[wire.ListAndWatchResponse]:
        last: tuple[Device, ...] | None = None
        while context.is_active():
            version = self._availability.version
            now = self._availability.devices(self._sets())
            if now != last:
                last = now
                healthy = sum(device.healthy for device in now)
                log.info(
                    "devices",
                    extra={"pool": self._pool, "devices": len(now), "healthy": healthy},
                )
                yield wire.ListAndWatchResponse(devices=[_device(device) for device in now])
            else:
                self._availability.wait(version, self._wait_s)

    def _sets(self) -> tuple[CpuSet, ...]:
        return self._availability.partition.of_pool(self._pool)

    def _preferred(
        self, request: wire.ContainerPreferredAllocationRequest
    ) -> wire.ContainerPreferredAllocationResponse:
        ids = allocation.preferred_ids(
            self._sets(),
            request.available_deviceIDs,
            must_include=request.must_include_deviceIDs,
            size=request.allocation_size,
            machine=self._availability.machine,
            placement=self._availability.partition.pool(self._pool).placement,
        )
        return wire.ContainerPreferredAllocationResponse(deviceIDs=ids)

    def _allocate(self, request: wire.ContainerAllocateRequest) -> wire.ContainerAllocateResponse:
        given = allocation.allocate(self._sets(), request.devices_ids, self._availability.machine)
        log.info(
            "allocated",
            extra={
                "pool": self._pool,
                "devices": [one.id for one in given.assignment.sets],
                "cpus": str(given.assignment.cpus),
                "mems": str(given.assignment.mems),
            },
        )
        return wire.ContainerAllocateResponse(envs=given.environment, annotations=given.annotations)


def _device(device: Device) -> wire.Device:
    return wire.Device(
        ID=device.id,
        health="Healthy" if device.healthy else "Unhealthy",
        topology=wire.TopologyInfo(nodes=[wire.NUMANode(ID=device.numa_node)]),
    )


def _abort(context: Any, error: NumalocalError) -> NoReturn:
    log.error("request refused", extra={"err": str(error)})
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
    raise error  # never reached: abort raises
