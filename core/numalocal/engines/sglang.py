"""SGLang on CPUs: `python -m sglang.launch_server --device cpu`.

Each rank binds its threads to its part of the list and its memory to the nodes of these CPUs
(sglang/srt/utils/numa_utils.py); without a list it takes whole NUMA nodes.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from numalocal.engines import budget
from numalocal.engines.adapter import Adapter, Job, Option, Seat
from numalocal.engines.budget import GIB

SHM_BYTES_PER_RANK: Final = GIB
"""For all-reduce buffers and messages."""
OVERHEAD_BYTES: Final = 2 * GIB
"""What is no rank: HTTP server, tokenizer and detokenizer."""

_TP: Final = ("--tp", "--tp-size", "--tensor-parallel-size")
_OTHER_RANKS: Final = ("--dp", "--dp-size", "--data-parallel-size", "--pp-size")
_FRACTION: Final = "--mem-fraction-static"
_MEMORY: Final = (_FRACTION, "--max-total-tokens")


def _variables(seat: Seat) -> Mapping[str, str]:
    return {"SGLANG_USE_CPU_ENGINE": "1", "SGLANG_CPU_OMP_THREADS_BIND": seat.lists}


def _options(job: Job) -> Sequence[Option]:
    options = [Option("--device", "cpu")]
    if job.ranks > 1:
        options.append(Option(_TP[0], str(job.ranks), (*_TP[1:], *_OTHER_RANKS)))
    if (fraction := _fraction(job)) is not None:
        options.append(Option(_FRACTION, fraction, _MEMORY[1:]))
    return options


def _fraction(job: Job) -> str | None:
    """Give the share of free memory for weights and KV cache of each rank, None = not known.

    SGLang divides what is free by the number of NUMA nodes it has, which is one at the least: the
    fraction is right there, and too small where ranks lie on several.
    """
    asked, limit = job.memory.per_rank_bytes, job.memory.limit_bytes
    free = job.memory.host_bytes if limit is None else limit
    if asked is None or free is None:
        return None
    if limit is not None:
        others = OVERHEAD_BYTES + SHM_BYTES_PER_RANK * job.ranks
        asked = min(asked, max(0, limit - others) // job.ranks)
    fraction = budget.sglang_fraction(asked, free)
    return budget.as_decimal(fraction) if fraction else None


def _notes(job: Job) -> Sequence[str]:
    if job.memory.per_rank_bytes is None or job.own(*_MEMORY):
        return ()
    if _fraction(job) is None:
        return (
            "spec.memory.perRank leaves nothing for a rank beside what is no rank (servers and "
            f"/dev/shm: {OVERHEAD_BYTES // GIB} GiB and {SHM_BYTES_PER_RANK // GIB} GiB for each "
            "rank); raise it",
        )
    if job.ranks > 1:
        return (
            f"SGLang counts memory by the number of NUMA nodes it finds: {_FRACTION} holds where "
            f"all {job.ranks} ranks share one node, and is too small where they do not; say it "
            "yourself to use all",
        )
    return ()


ADAPTERS: Final = (
    Adapter(
        name="sglang",
        variables=_variables,
        speaks={"SGLANG_USE_CPU_ENGINE": (), "SGLANG_CPU_OMP_THREADS_BIND": ()},
        options=_options,
        notes=_notes,
        forks=True,
        shm_bytes_per_rank=SHM_BYTES_PER_RANK,
    ),
)
