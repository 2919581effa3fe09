"""Where a worker would land: its ranks, and what each engine is told."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from numalocal import names
from numalocal.host.placement import Placement
from numalocal.pictures import words
from numalocal.pictures.columns import columns
from numalocal.problems import escaped
from numalocal.quantity import format_bytes
from numalocal.sets.memoryask import MemoryPolicy
from numalocal.worker.spec import Worker

_IN_SCRIPTS: Final = "\n\t"
"""Scripts are shown as they are written; no other control character of a document is."""


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
    if asked is None:
        return where if worker.memory.is_apart else f"{amount}, {where}"
    return f"{format_bytes(asked)}, {where}"


def notes(placements: Sequence[Placement]) -> tuple[str, ...]:
    """Say what engines are not told, each once for all replicas."""
    return tuple(dict.fromkeys(note for placed in placements for note in placed.notes))


def _compute_cpus(placed: Placement) -> list[str]:
    return placed.environment[names.ENV_RANK_COMPUTE_CPUS].split("|")
