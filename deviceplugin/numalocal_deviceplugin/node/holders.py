"""Whose each CPU set is, as others are told: tenants of the ledger -> holders by CPU -> owners."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from numalocal import names
from numalocal.sets.assignment import Assignment
from numalocal.sets.cpusets import CpuSet
from numalocal.sets.memoryask import Enforcement
from numalocal_deviceplugin.asking import takes_less
from numalocal_deviceplugin.node import memory
from numalocal_deviceplugin.pods import Container, bound_containers, was_born_bound
from numalocal_deviceplugin.tenant import Tenant
from numalocal_deviceplugin.thisnode import Node

BOUND: Final = "Bound"
UNBOUND: Final = "Unbound"

MOST_NAME: Final = 128


@dataclass(frozen=True, slots=True)
class Holder:
    """What a tenant holds by the name of one container; empty = nobody knows of which."""

    tenant: Tenant
    container: str
    assignment: Assignment


def by_cpu(tenants: Iterable[Tenant]) -> Mapping[int, Holder]:
    """Say of each CPU that is held who holds it."""
    found: dict[int, Holder] = {}
    for holder in _holders(tenants):
        for cpu in holder.assignment.cpus:
            found.setdefault(cpu, holder)
    return found


def _holders(tenants: Iterable[Tenant]) -> Iterator[Holder]:
    """List who holds what, the containers that the kubelet gave sets before those of their pods."""
    for tenant in tenants:
        engine = tenant.pod.annotations.get(names.ANNOTATION_CONTAINER, "")
        others = bound_containers(tenant.pod)
        own = {name: one for name, one in tenant.claims.items() if name not in others}
        for name, assignment in own.items():
            yield Holder(tenant, name, assignment)
        # Before the engine is there its pod's check has them, for it.
        for assignment in tenant.assignments:
            yield Holder(tenant, engine, assignment)


def told(holder: Holder, one: CpuSet, node: Node) -> Mapping[str, Any]:
    """Say whose a set is, and since its container is there how it was started."""
    pod, ids = holder.tenant.pod, [each.id for each in holder.assignment.sets]
    owner: dict[str, Any] = {
        "namespace": pod.namespace[:63],
        "pod": pod.name[:253],
        "uid": pod.uid[:MOST_NAME],
    }
    if holder.container:
        owner["container"] = holder.container[:63]
    if takes_less(pod):
        owner["enforcement"] = str(Enforcement.BEST_EFFORT)
    if one.id in ids:
        owner["rank"] = ids.index(one.id)
    live = _live(holder)
    if live is not None:
        owner["containerID"] = live.id[:MOST_NAME]
        owner["started"] = BOUND if was_born_bound(live) else UNBOUND
        if where := memory.of_holder(pod, live, holder.assignment, node):
            owner["memory"] = where
    return owner


def _live(holder: Holder) -> Container | None:
    """Find the holder's container as it is now: the one that was created last."""
    named = [one for one in holder.tenant.containers.values() if one.name == holder.container]
    return named[-1] if named else None
