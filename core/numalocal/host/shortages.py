"""Which memory a worker's ranks ask too much of, and what would fit."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from numalocal.host import fitting, unavailable
from numalocal.host.placement import Placement
from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.quantity import format_bytes
from numalocal.sets import capacity
from numalocal.sets.memoryask import MemoryPolicy, Overflow
from numalocal.sets.partition import Partition
from numalocal.worker.spec import Worker

_LEAST_BYTES: Final = 1 << 20
"""The least amount that spec.memory.perRank can be."""


def shortages(
    worker: Worker, machine: Machine, partition: Partition, placements: Sequence[Placement]
) -> tuple[str, ...]:
    """Say of which nodes, and of which limit, all ranks together ask for more than there is.

    Then what would fit.  The sentences on limits are those of `numalocal-bind check`.
    """
    asked = worker.memory_per_rank_bytes
    if asked is None or not placements:
        return ()
    found = [
        *_node_shortages(worker, asked, machine, placements),
        *_limit_shortages(worker, machine),
    ]
    if found:
        found[-1] += f"; {_nearest(worker, machine, partition)}"
    return (*found, *map(str, machine.limits.unread))


def _node_shortages(
    worker: Worker, asked: int, machine: Machine, placements: Sequence[Placement]
) -> Iterator[str]:
    """Compare what ranks ask for with the nodes that they take it from, and not with others'."""
    usable, fewer = capacity.usable_bytes(machine), unavailable.lower(worker)
    wider = "".join(_wider(worker, machine, placements))
    counts = _counts(worker, machine, placements)
    for nodes in capacity.overdrawn(counts, usable, asked):
        ranks = sum(count for other, count in counts.items() if other <= nodes)
        where = f"NUMA node {nodes} has" if len(nodes) == 1 else f"NUMA nodes {nodes} together have"
        has = format_bytes(sum(usable[node] for node in nodes))
        yield (
            f"{_demand(_count(ranks, 'rank'), ranks, asked)} but {where} {has} besides huge pages: "
            f"lower spec.memory.perRank{fewer and f', or {fewer}'}{wider}"
        )


def _wider(worker: Worker, machine: Machine, placements: Sequence[Placement]) -> Iterator[str]:
    """Say what would let all ranks have farther memory, where there is enough of it."""
    asked, memory = worker.memory_per_rank_bytes or 0, worker.memory
    if memory.on_overflow is Overflow.INTERLEAVE or memory.policy is MemoryPolicy.PREFERRED:
        return
    wider = replace(worker, memory=replace(memory, on_overflow=Overflow.INTERLEAVE))
    counts = _counts(wider, machine, placements)
    if not capacity.overdrawn(counts, capacity.usable_bytes(machine), asked):
        yield ", or say spec.memory.onOverflow: Interleave to take the rest from farther nodes"


def _counts(
    worker: Worker, machine: Machine, placements: Iterable[Placement]
) -> Mapping[IdSet, int]:
    """Count the ranks by the nodes that they may have memory of, overflow included."""
    return Counter(
        fitting.usable_nodes(worker, machine, one, most=True)
        for placed in placements
        for one in placed.assignment.sets
    )


def _limit_shortages(worker: Worker, machine: Machine) -> Iterator[str]:
    """Compare what all ranks ask for with what is left of the memory limit."""
    ranks, asked = worker.replicas * worker.ranks, worker.memory_per_rank_bytes or 0
    limit = machine.limits.memory
    if limit is not None and ranks * asked > limit.left_bytes:
        numbers = IdSet.of(range(worker.ranks))
        who = f"rank{'s' if len(numbers) > 1 else ''} {numbers}"
        yield (
            f"{_demand(who if worker.replicas == 1 else f'{ranks} ranks', ranks, asked)} but "
            f"{format_bytes(limit.left_bytes)} is left of the memory limit of "
            f"{format_bytes(limit.limit_bytes)} in {limit.path}: raise that limit (in a pod: the "
            "container's memory limit), or lower spec.memory.perRank"
        )


def _nearest(worker: Worker, machine: Machine, partition: Partition) -> str:
    """Say how many of the ranks fit, and with how much memory each all would."""
    ranks, asked = worker.replicas * worker.ranks, worker.memory_per_rank_bytes or 0
    free = fitting.free_sets(worker, machine, partition, IdSet())
    counts = Counter(fitting.usable_nodes(worker, machine, one, most=True) for one in free)
    usable = capacity.usable_bytes(machine)
    held = sum(capacity.slots(counts, usable, asked).values())
    most = capacity.largest_rank_bytes(counts, usable, ranks)
    if (limit := machine.limits.memory) is not None:
        held, most = min(held, limit.left_bytes // asked), min(most, limit.left_bytes // ranks)
    if most < _LEAST_BYTES:
        return "nothing fits"
    each = f"spec.memory.perRank: {_quantity(most)}"
    if held == 0 or ranks == 1:
        return f"what fits is {each}"
    return f"what fits is {min(held, ranks - 1)} of {ranks} ranks, or all with {each}"


def _demand(who: str, ranks: int, asked: int) -> str:
    """Say it as the binder does: `ranks 0-1 ask for 128.0 GiB (64.0 GiB each)`."""
    if ranks == 1:
        return f"{who} asks for {format_bytes(asked)}"
    return f"{who} ask for {format_bytes(ranks * asked)} ({format_bytes(asked)} each)"


def _quantity(size_bytes: int) -> str:
    """Write an amount that can be copied, rounded down to whole MiB."""
    mebibytes = size_bytes >> 20
    return f"{mebibytes >> 10}Gi" if mebibytes % 1024 == 0 else f"{mebibytes}Mi"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
