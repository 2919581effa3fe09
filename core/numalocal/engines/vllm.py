"""vLLM on CPUs: `vllm serve` and its Python API.

Its main process starts one worker per rank, each with the OpenMP variables of its own list
(vllm/utils/ompmultiprocessing.py).  The list is always written in full, as `auto` picks nodes that
own none of the pod's CPUs (vllm#43240).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from numalocal.engines import budget, compute
from numalocal.engines.adapter import Adapter, Job, Option, Seat
from numalocal.engines.budget import GIB, RankMemory

READS_LIMIT_SINCE: Final = (0, 24)
"""Its first version that takes its fraction of memory.max where that is less than the node's."""
SHM_BYTES_PER_RANK: Final = GIB
"""For messages and all-reduce buffers, 4 MiB for each thread of a rank (csrc/cpu/shm.cpp)."""
OVERHEAD_BYTES: Final = 2 * GIB
"""What is no rank: API server and scheduler, 1.6 GiB resident in v0.32 before any request."""

_TP: Final = ("--tensor-parallel-size", "-tp")
_PP: Final = ("--pipeline-parallel-size", "-pp")
_DP: Final = ("--data-parallel-size", "-dp")
_MEMORY: Final = ("--kv-cache-memory-bytes", "--gpu-memory-utilization", "VLLM_CPU_KVCACHE_SPACE")
_VERSION: Final = re.compile(r":v?(\d+)\.(\d+)[^/]*$")


def _variables(seat: Seat) -> Mapping[str, str]:
    return {
        "VLLM_CPU_OMP_THREADS_BIND": seat.lists,
        # By rank, and one for each: vLLM looks a rank's node up by its place in the list.
        "CPU_VISIBLE_MEMORY_NODES": ",".join(
            str(one.memory_nodes.first) for one in seat.assignment.sets
        ),
    }


def _options(job: Job) -> Sequence[Option]:
    options = []
    if job.ranks > 1:
        options.append(Option(_TP[0], str(job.ranks), (*_TP[1:], *_PP, *_DP)))
    if job.settings.kv_cache_bytes is not None:
        options.append(Option(_MEMORY[0], str(job.settings.kv_cache_bytes), _MEMORY[1:]))
    elif (fraction := _fraction(job)) is not None:
        options.append(Option("--gpu-memory-utilization", fraction, _MEMORY))
    return options


def _fraction(job: Job) -> str | None:
    """Give the fraction of memory for each rank; None where it is not known, or would be none."""
    asked, basis = job.memory.per_rank_bytes, _basis_bytes(job)
    if asked is None or basis is None:
        return None
    ranks = [
        RankMemory(numa_node=number, total_bytes=basis, share_bytes=asked)
        for number in range(job.ranks)
    ]
    given = budget.budgets(
        ranks,
        limit_bytes=job.memory.limit_bytes,
        overhead_bytes=OVERHEAD_BYTES + SHM_BYTES_PER_RANK * job.ranks,
    )
    fraction = budget.vllm_fraction(ranks, given, basis="node", limit_bytes=None)
    return budget.as_decimal(fraction) if fraction else None


def _basis_bytes(job: Job) -> int | None:
    """Tell of what vLLM takes its fraction, or of more, so that it never asks for too much."""
    version = _version(job)
    if job.memory.limit_bytes is None or (version and version < READS_LIMIT_SINCE):
        return job.memory.node_bytes
    return job.memory.limit_bytes


def _version(job: Job) -> tuple[int, int] | None:
    """Read the version from the image's tag."""
    found = _VERSION.search(job.image)
    return (int(found[1]), int(found[2])) if found else None


def _notes(job: Job) -> Sequence[str]:
    notes = []
    shape = [job.number(*options) or 1 for options in (_TP, _PP, _DP)]
    started = shape[0] * shape[1] * shape[2]
    if job.own(*_TP, *_PP, *_DP) and started != job.ranks:
        notes.append(
            f"its arguments start {started} ranks, and spec.ranks is {job.ranks}: vLLM refuses a "
            f"list of another length; say ranks: {started}"
        )
    if job.memory.per_rank_bytes is not None and not job.own(*_MEMORY):
        notes += _memory_notes(job)
    return notes


def _memory_notes(job: Job) -> Sequence[str]:
    if job.settings.kv_cache_bytes is not None:
        return ()
    if _basis_bytes(job) is None:
        return (
            "vLLM before v0.24 counts its memory from that of a NUMA node, which is not known "
            "until a node offers the pool; spec.memory.kvCache needs no node",
        )
    if _fraction(job) is None:
        return (
            "spec.memory.perRank leaves nothing for a rank beside what is no rank (API server, "
            f"scheduler and /dev/shm: {OVERHEAD_BYTES // GIB} GiB and "
            f"{SHM_BYTES_PER_RANK // GIB} GiB for each rank); raise it, or say spec.memory.kvCache",
        )
    if job.memory.limit_bytes is not None and _version(job) is None:
        return (
            "the image's tag tells no version of vLLM: memory is counted as v0.24 and later do; "
            "spec.memory.kvCache holds for all",
        )
    return ()


def _reserved(job: Job, architecture: str) -> int:
    """Its scheduler polls without a pause, so it needs cores of its own."""
    transfer = bool(job.own("--kv-transfer-config"))
    return compute.reserved_cores(architecture, job.ranks, kv_transfer=transfer)


ADAPTERS: Final = (
    Adapter(
        name="vllm",
        variables=_variables,
        speaks={"VLLM_CPU_OMP_THREADS_BIND": (), "CPU_VISIBLE_MEMORY_NODES": ()},
        options=_options,
        notes=_notes,
        reserved=_reserved,
        forks=True,
        kv_cache=True,
        shm_bytes_per_rank=SHM_BYTES_PER_RANK,
    ),
)
