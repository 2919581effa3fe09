"""The device plugin's gRPC methods: translate, plan, translate back."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn, TypeVar

import grpc

from numalocal.errors import NumalocalError, SetsUnavailable
from numalocal_deviceplugin.counters import Count, Duration
from numalocal_deviceplugin.kubelet import allocation
from numalocal_deviceplugin.kubelet.offers import Offer, offers
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2 as wire
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2_grpc

# gRPC calls the methods below by the names of the contract, hence N802 throughout.
# ruff: noqa: N802

log = logging.getLogger(__name__)

OPTIONS: Final = wire.DevicePluginOptions(get_preferred_allocation_available=True)

_HEALTHY: Final = "Healthy"
_WAIT_S: Final = 10.0
"""How often a stream looks again unasked: it notices the end of the runtime's grace."""
_PAUSE_S: Final = 0.05
"""Between two looks: a container's creation is several changes, and waits for none of them."""

_MOST_STREAMS: Final = 4
"""Lists that are read at a time: each takes a thread of the server, and a kubelet reads one."""
_MAX_CONTAINERS: Final = 64
"""The kubelet asks for one at a time."""
_Request = TypeVar(
    "_Request", wire.ContainerAllocateRequest, wire.ContainerPreferredAllocationRequest
)


class DevicePluginService(deviceplugin_v1beta1_pb2_grpc.DevicePluginServicer):
    """Serve one pool on one socket; a socket that is served again gets a new service.

    `hung_up` is called whenever somebody reads the list of devices no more.
    """

    def __init__(
        self,
        pool: str,
        state: State,
        hung_up: Callable[[], None] = lambda: None,
        wait_s: float = _WAIT_S,
    ) -> None:
        self._pool = pool
        self._state = state
        self._hung_up = hung_up
        self._wait_s = wait_s
        self._streams = 0

    @property
    def watched(self) -> bool:
        """Whether the kubelet reads the list of devices now."""
        return self._streams > 0

    def GetDevicePluginOptions(
        self, _request: wire.Empty, _context: grpc.ServicerContext
    ) -> wire.DevicePluginOptions:
        """Tell that allocations want a preference and that starts need no preparation."""
        return OPTIONS

    async def ListAndWatch(self, _request: wire.Empty, context: grpc.aio.ServicerContext) -> None:
        """Send all devices now and at every change, until the stream or the server ends."""
        if self._streams >= _MOST_STREAMS:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{_MOST_STREAMS} others read the list of devices already; end one of them",
            )
        self._streams += 1
        try:
            await self._send_changes(context)
        except grpc.aio.InternalError as error:  # who reads hung up while something was sent
            raise asyncio.CancelledError from error
        finally:
            self._streams -= 1
            self._state.wake()
            self._hung_up()

    def GetPreferredAllocation(
        self, request: wire.PreferredAllocationRequest, context: grpc.ServicerContext
    ) -> wire.PreferredAllocationResponse:
        """Choose among the free sets for each container."""
        try:
            return wire.PreferredAllocationResponse(
                container_responses=[
                    self._preferred(one) for one in _few(request.container_requests)
                ]
            )
        except NumalocalError as error:
            _abort(context, error)

    def Allocate(
        self, request: wire.AllocateRequest, context: grpc.ServicerContext
    ) -> wire.AllocateResponse:
        """Give each container the environment and the annotation of its sets."""
        counters = self._state.counters
        try:
            with counters.timed(Duration.ALLOCATE):
                given = [self._allocate(one) for one in _few(request.container_requests)]
        except NumalocalError as error:
            counters.add(Count.ALLOCATION_REFUSALS, self._pool)
            _abort(context, error)
        counters.add(Count.ALLOCATIONS, self._pool, by=len(given))
        return wire.AllocateResponse(container_responses=given)

    def PreStartContainer(
        self, _request: wire.PreStartContainerRequest, _context: grpc.ServicerContext
    ) -> wire.PreStartContainerResponse:
        """Do nothing: the binding is applied at the container's creation."""
        return wire.PreStartContainerResponse()

    async def _send_changes(self, context: Any) -> NoReturn:
        """Send until cancelled, as gRPC does where the stream or the server ends."""
        last: list[tuple[str, int | None, bool]] | None = None
        while True:
            now = self._state.snapshot()
            found = offers(self._pool, now)
            told = [(one.set.id, one.numa_node, one.refusal is None) for one in found]
            if told != last:
                last = told
                healthy = sum(one.refusal is None for one in found)
                log.info(
                    "devices",
                    extra={"pool": self._pool, "devices": len(found), "healthy": healthy},
                )
                await context.write(
                    wire.ListAndWatchResponse(devices=[_device(one) for one in found])
                )
            else:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(None, self._state.wait, now.version, self._wait_s)
                await asyncio.sleep(_PAUSE_S)

    def _preferred(
        self, request: wire.ContainerPreferredAllocationRequest
    ) -> wire.ContainerPreferredAllocationResponse:
        node = self._state.snapshot().node
        ids = allocation.preferred_ids(
            node.partition.of_pool(self._pool),
            request.available_deviceIDs,
            must_include=request.must_include_deviceIDs,
            size=request.allocation_size,
            machine=node.machine,
            placement=node.partition.pool(self._pool).placement,
        )
        return wire.ContainerPreferredAllocationResponse(deviceIDs=ids)

    def _allocate(self, request: wire.ContainerAllocateRequest) -> wire.ContainerAllocateResponse:
        node = self._state.snapshot().node
        sets = node.partition.of_pool(self._pool)
        assignment = allocation.assign(sets, request.devices_ids, node.machine)
        given = allocation.answer(self._pool, assignment, node.machine)
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


def _few(requests: Sequence[_Request]) -> Sequence[_Request]:
    if len(requests) > _MAX_CONTAINERS:
        raise SetsUnavailable(
            f"{len(requests)} containers are asked for in one request, which may be of "
            f"{_MAX_CONTAINERS}"
        )
    return requests


def _device(offer: Offer) -> wire.Device:
    health = _HEALTHY if offer.refusal is None else "Unhealthy"
    if offer.numa_node is None:
        return wire.Device(ID=offer.set.id, health=health)
    nodes = [wire.NUMANode(ID=offer.numa_node)]
    return wire.Device(ID=offer.set.id, health=health, topology=wire.TopologyInfo(nodes=nodes))


def _abort(context: Any, error: NumalocalError) -> NoReturn:
    log.error("request refused", extra={"err": str(error)})
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
    raise error  # never reached: abort raises
