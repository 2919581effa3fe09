"""CPU sets -> devices: id, NUMA node and whether a new container may have it."""

from collections.abc import Iterable
from dataclasses import dataclass

from numalocal.idset import IdSet
from numalocal.sets.cpusets import CpuSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device as the kubelet sees it."""

    id: str
    numa_node: int
    healthy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What decides at one moment which sets can be given out.

    `held` are CPUs of running containers whose
    sets were cut by another configuration of the pools.  `bindable` tells whether the container
    runtime would let us bind a new container.  `pinning_kubelet` tells whether the kubelet's own
    CPU manager hands out exclusive CPUs.
    """

    held: IdSet = IdSet()  # noqa: RUF009 - immutable
    bindable: bool = False
    pinning_kubelet: bool = False


def devices(sets: Iterable[CpuSet], conditions: Conditions) -> tuple[Device, ...]:
    """List the devices of a pool in the order of its sets, as they are cut now.

    A set that cannot be given out stays in the list as unhealthy: the kubelet reports a device
    that vanished from the list as healthy.  Only where the kubelet pins CPUs itself is the list
    empty: two pinners must not share a node.
    """
    if conditions.pinning_kubelet:
        return ()
    return tuple(
        Device(id=one.id, numa_node=one.numa_node, healthy=_healthy(one, conditions))
        for one in sets
    )


def _healthy(one: CpuSet, conditions: Conditions) -> bool:
    return conditions.bindable and not one.missing and one.cpus.isdisjoint(conditions.held)
