"""Choose the sets of a replica: ranks spread over NUMA nodes."""

from collections.abc import Collection, Sequence

from numalocal.cpusets import CpuSet, in_rank_order
from numalocal.errors import SetsUnavailable
from numalocal.machine import Machine


def prefer(
    available: Collection[CpuSet],
    *,
    must_include: Collection[CpuSet] = (),
    size: int,
    machine: Machine,
) -> tuple[CpuSet, ...]:
    """Pick `size` sets, one per NUMA node as far as they go, near nodes first; in rank order.

    A single set is taken from the node with the fewest free sets, which keeps other nodes whole
    for replicas with several ranks.

    Raises:
        SetsUnavailable: where fewer than `size` sets are available.
    """
    chosen = list(must_include)
    free = [one for one in in_rank_order(available) if one not in chosen]
    if len(chosen) + len(free) < size:
        raise SetsUnavailable(
            f"{size} CPU sets are asked for, {len(chosen) + len(free)} are free; "
            "lower spec.ranks or wait for a worker to end"
        )
    while len(chosen) < size:
        best = min(free, key=lambda one: _cost(one, chosen, free, machine))
        chosen.append(best)
        free.remove(best)
    return in_rank_order(chosen)


def _cost(
    one: CpuSet, chosen: Sequence[CpuSet], free: Sequence[CpuSet], machine: Machine
) -> tuple[int, ...]:
    """Order candidates: unused node, near the chosen, few free sets beside it, lowest CPU."""
    node = one.numa_node
    distances = machine.node(node).distances
    return (
        sum(other.numa_node == node for other in chosen),
        sum(distances.get(other.numa_node, 0) for other in chosen),
        sum(other.numa_node == node for other in free),
        node,
        one.cpus.first,
    )
