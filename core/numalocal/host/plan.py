"""Where a worker would land: its ranks, what each engine is told, and what memory is short."""

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from numalocal import names
from numalocal.host import fitting, unavailable
from numalocal.host.placement import Placement
from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.pictures import words
from numalocal.pictures.columns import columns
from numalocal.problems import escaped
from numalocal.quantity import format_bytes
from numalocal.sets import capacity
from numalocal.sets.partition import Partition
from numalocal.sets.reach import MemoryPolicy, Overflow, reach
from numalocal.worker.spec import Worker

_IN_SCRIPTS: Final = "\n\t"
"""Scripts are shown as they are written; no other control character of a document is."""

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
    counts = Counter(nodes for placed in placements for nodes in placed.reach.usable)
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
    wider = replace(memory, on_overflow=Overflow.INTERLEAVE)
    reached = [reach(one.assignment, machine, wider, asked) for one in placements]
    counts = Counter(nodes for one in reached for nodes in one.usable)
    if not capacity.overdrawn(counts, capacity.usable_bytes(machine), asked):
        yield ", or say spec.memory.onOverflow: Interleave to take the rest from farther nodes"


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


def document(
    worker: Worker, placements: Sequence[Placement], short: Sequence[str]
) -> Mapping[str, object]:
    """Describe a plan: replicas with their ranks in order, and their environment."""
    return {
        "worker": worker.name,
        "pool": worker.pool,
        "replicas": [
            {
                "replica": placed.replica,
                "ranks": [
                    {
                        "set": one.id,
                        "cpus": str(one.cpus),
                        "compute_cpus": compute,
                        "numa_node": one.numa_node,
                        "memory_nodes": str(mems),
                        "memory_bytes": one.memory_bytes,
                    }
                    for one, compute, mems in zip(
                        placed.assignment.sets,
                        _compute_cpus(placed),
                        placed.reach.rank_mems,
                        strict=True,
                    )
                ],
                "memory": {
                    "nodes": str(placed.reach.mems),
                    "policy": str(placed.reach.policy),
                    "policy_nodes": str(placed.reach.policy_nodes),
                    "overflowed": placed.reach.overflowed,
                },
                "command": list(placed.command),
                "environment": dict(placed.environment),
            }
            for placed in placements
        ],
        "notes": list(notes(placements)),
        "shortages": list(short),
    }


def text(
    worker: Worker,
    placements: Sequence[Placement],
    short: Sequence[str],
    *,
    width: int,
    sentence: Callable[[str], str] = str,
) -> str:
    """Show a plan as a table of ranks, the engine's environment, and whether memory fits.

    `sentence` breaks sentences as the reader wants them; what the engine is told stays whole.
    """
    rows = [("replica", "rank", "set", "CPUs", "compute on", "node", "memory")]
    for placed in placements:
        computing = _compute_cpus(placed)
        for rank, one in enumerate(placed.assignment.sets):
            rows.append(
                (
                    str(placed.replica) if rank == 0 else "",
                    str(rank),
                    one.id,
                    str(one.cpus),
                    computing[rank],
                    str(one.numa_node),
                    _memory(worker, placed, rank),
                )
            )
    lines = [columns(rows, width)]
    for placed in placements:
        lines += ["", f"replica {placed.replica} is told"]
        told = [f"{name}={value}" for name, value in sorted(placed.environment.items())]
        told += [shlex.join(placed.command)] if placed.command else []
        lines += [f"  {escaped(one, but=_IN_SCRIPTS)}" for one in told]
    said = [sentence(f"note: {one}") for one in notes(placements)]
    lines += ["", *said] if said else []
    unfit = [sentence(f"does not fit: {one}") for one in short]
    lines += ["", *(unfit or ["fits"])]
    return "\n".join(lines)


def _memory(worker: Worker, placed: Placement, rank: int) -> str:
    """Say how much memory a rank asks for, of how much, and where where that is not its set's."""
    one, asked = placed.assignment.sets[rank], worker.memory_per_rank_bytes
    share = words.memory(one)
    amount = f"share {share}" if asked is None else f"{format_bytes(asked)} of {share}"
    if (
        placed.reach.policy is MemoryPolicy.BIND
        and placed.reach.rank_mems[rank] == one.memory_nodes
    ):
        return amount
    where = words.bound_rank(placed.reach, rank)
    return f"{amount if asked is None else format_bytes(asked)}, {where}"


def notes(placements: Sequence[Placement]) -> tuple[str, ...]:
    """Say what engines are not told, each once for all replicas."""
    return tuple(dict.fromkeys(note for placed in placements for note in placed.notes))


def _compute_cpus(placed: Placement) -> list[str]:
    return placed.environment[names.ENV_RANK_COMPUTE_CPUS].split("|")
