"""CPU sets -> offers: which sets of a pool a new container may have, and why not the others."""

from dataclasses import dataclass

from numalocal.sets.cpusets import CpuSet
from numalocal_deviceplugin.refusals import NOBODY_IS_ADJUSTED, NOTHING_IS_GIVEN, Refusal
from numalocal_deviceplugin.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One set of a pool; it is healthy where there is no refusal."""

    set: CpuSet
    refusal: Refusal | None = None


def offers(pool: str, now: Snapshot) -> tuple[Offer, ...]:
    """List a pool's sets in their order, as they are cut now.

    A set that cannot be given out stays in the list: the kubelet reports a device that vanished
    from the list as healthy.  Only where another may pin CPUs is the list empty: two pinners must
    not share a node.
    """
    whole = [one for one in now.of_node if one.subject in ("", pool)]
    if any(one.reason in NOBODY_IS_ADJUSTED for one in whole):
        return ()
    of_all = next((one for one in whole if one.reason in NOTHING_IS_GIVEN), None)
    of_set = {one.subject: one for one in now.of_sets}
    return tuple(
        Offer(set=one, refusal=of_all or of_set.get(one.id))
        for one in now.node.partition.of_pool(pool)
    )
