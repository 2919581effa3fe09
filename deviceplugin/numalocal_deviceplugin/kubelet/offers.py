"""CPU sets -> offers: which sets of a pool a new container may have, and why not the others."""

from dataclasses import dataclass
from typing import Final

from numalocal.sets.cpusets import CpuSet
from numalocal_deviceplugin.refusals import NOBODY_IS_ADJUSTED, NOTHING_IS_GIVEN, Reason, Refusal
from numalocal_deviceplugin.snapshot import Snapshot

_UNHEALTHY: Final = NOTHING_IS_GIVEN - {Reason.NOT_REGISTERED}
"""Whoever reads the list is the kubelet that a pool is being registered with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One set of a pool; it is healthy where there is no refusal.

    `numa_node` is where the kubelet's topology manager is to think that it is, None = anywhere.
    """

    set: CpuSet
    numa_node: int | None = None
    refusal: Refusal | None = None


def offers(pool: str, now: Snapshot) -> tuple[Offer, ...]:
    """List a pool's sets in their order, as they are cut now.

    A set that cannot be given out stays in the list: the kubelet reports a device that vanished
    from the list as healthy.  Only where another may pin CPUs is the list empty: two pinners must
    not share a node.

    Only a pool that packs says where its sets are: a topology manager that knows takes them from
    one NUMA node, which undoes Spread, or refuses the pod where one node has too few of them.
    """
    whole = [one for one in now.of_node if one.subject in ("", pool)]
    if any(one.reason in NOBODY_IS_ADJUSTED for one in whole):
        return ()
    of_all = next((one for one in whole if one.reason in _UNHEALTHY), None)
    packs = now.node.partition.pool(pool).placement == "Pack"
    of_set = {one.subject: one for one in now.of_sets}
    return tuple(
        Offer(
            set=one,
            numa_node=one.numa_node if packs else None,
            refusal=of_all or of_set.get(one.id),
        )
        for one in now.node.partition.of_pool(pool)
    )
