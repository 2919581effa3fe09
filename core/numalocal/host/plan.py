"""Where a worker would land: its ranks, what each engine is told, and what memory is short."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence

from numalocal import names
from numalocal.host.placement import Placement
from numalocal.machine.model import Machine
from numalocal.pictures.columns import columns
from numalocal.quantity import format_bytes
from numalocal.worker.spec import Worker


def shortages(worker: Worker, machine: Machine, placements: Sequence[Placement]) -> tuple[str, ...]:
    """Say of which NUMA nodes the ranks ask for more memory than there is, all together."""
    ranks = Counter(one.numa_node for placed in placements for one in placed.assignment.sets)
    asked = worker.memory_per_rank_bytes or 0
    return tuple(
        f"NUMA node {node.id} has {format_bytes(node.usable_memory_bytes)} besides huge pages, and "
        f"{ranks[node.id]} x {format_bytes(asked)} are asked for: lower spec.memory.perRank, "
        "spec.ranks or spec.replicas"
        for node in machine.nodes
        if node.memory_bytes is not None and ranks[node.id] * asked > node.usable_memory_bytes
    )


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
                        "memory_bytes": one.memory_bytes,
                    }
                    for one, compute in zip(
                        placed.assignment.sets, _compute_cpus(placed), strict=True
                    )
                ],
                "command": list(placed.command),
                "environment": dict(placed.environment),
            }
            for placed in placements
        ],
        "notes": list(notes(placements)),
        "shortages": list(short),
    }


def text(
    worker: Worker, placements: Sequence[Placement], short: Sequence[str], *, width: int
) -> str:
    """Show a plan as a table of ranks, the engine's environment, and whether memory fits."""
    rows = [("replica", "rank", "set", "CPUs", "compute on", "node", "memory")]
    for placed in placements:
        computing = _compute_cpus(placed)
        for rank, one in enumerate(placed.assignment.sets):
            asked = worker.memory_per_rank_bytes
            share = format_bytes(one.memory_bytes)
            memory = f"share {share}" if asked is None else f"{format_bytes(asked)} of {share}"
            rows.append(
                (
                    str(placed.replica) if rank == 0 else "",
                    str(rank),
                    one.id,
                    str(one.cpus),
                    computing[rank],
                    str(one.numa_node),
                    memory,
                )
            )
    lines = [columns(rows, width)]
    for placed in placements:
        lines += ["", f"replica {placed.replica} is told"]
        lines += [f"  {name}={value}" for name, value in sorted(placed.environment.items())]
        lines += [f"  {shlex.join(placed.command)}"] if placed.command else []
    lines += ["", *(f"note: {note}" for note in notes(placements))] if notes(placements) else []
    lines += ["", *(f"does not fit: {one}" for one in short)] if short else ["", "fits"]
    return "\n".join(lines)


def notes(placements: Sequence[Placement]) -> tuple[str, ...]:
    """Say what the engine is not told, once for all replicas."""
    return placements[0].notes if placements else ()


def _compute_cpus(placed: Placement) -> list[str]:
    return placed.environment[names.ENV_RANK_COMPUTE_CPUS].split("|")
