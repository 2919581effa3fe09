"""What vLLM is told of its memory, by version: the KV cache of each rank, or a fraction.

Facts are of vllm/platforms/cpu.py, vllm/v1/worker/cpu_worker.py and vllm/engine/arg_utils.py of
v0.8.5 to v0.32.
"""

import re
from collections.abc import Sequence
from typing import Final

from numalocal.engines import budget
from numalocal.engines.adapter import Option
from numalocal.engines.budget import GIB
from numalocal.engines.call import Call
from numalocal.sets.memoryask import BOUND_LOCALLY

READS_LIMIT_SINCE: Final = (0, 24)
"""Its first version that takes its fraction of memory.max where that is less than the node's."""
COUNTS_MEMORY_SINCE: Final = (0, 20)
"""Its first version that obeys --kv-cache-memory-bytes and --gpu-memory-utilization on CPUs.

The first is unknown before v0.10.2 and ignored up to v0.19; v0.8.5 to v0.32 obey the variable.
"""
SHM_BYTES_PER_RANK: Final = GIB
"""For messages and all-reduce buffers, 4 MiB for each thread of a rank (csrc/cpu/shm.cpp)."""
OVERHEAD_BYTES: Final = 2 * GIB
"""What is no rank: API server and scheduler, 1.6 GiB resident in v0.32 before any request."""

SIZE: Final = "--kv-cache-memory-bytes"
FRACTION: Final = "--gpu-memory-utilization"
_SPACE: Final = "VLLM_CPU_KVCACHE_SPACE"
"""Whole GiB of each rank.  Where it is set it beats the option, and 0 is none at all."""
_MEMORY: Final = (SIZE, FRACTION, _SPACE)
_ONE_NODE: Final = (
    "vLLM counts a rank's memory by that of one NUMA node, whatever further nodes it is given: "
    "weights larger than a node leave nothing for its KV cache, so say spec.memory.kvCache"
)
_VERSION: Final = re.compile(r"(?i)vllm[^:]*:(?:[\w-]*[-_])?v?(\d+)\.(\d+)[^/]*$")


def options(call: Call) -> Sequence[Option]:
    """Tell the size in bytes where it arrives or the variable is not as exact, else a fraction."""
    if not _counts_memory(call):
        return ()
    if (size := call.job.settings.kv_cache_bytes) is not None:
        told = _takes_size(call) or size % GIB
        return (Option(SIZE, str(size), _MEMORY[1:]),) if told else ()
    fraction = _fraction(call)
    return () if fraction is None else (Option(FRACTION, fraction, _MEMORY),)


def settled(call: Call) -> Sequence[Option]:
    """Tell the KV cache by variable too: a program around LLM(...) reads no arguments.

    Not where the argument arrives and the variable, which beats it, would round it down.
    """
    size = call.job.settings.kv_cache_bytes
    if size is None or size < GIB or (size % GIB and _takes_size(call)):
        return ()
    others = (SIZE, FRACTION) if _counts_memory(call) else (SIZE,)
    return (Option(_SPACE, str(budget.kv_cache_gib(size)), others),)


def notes(call: Call) -> Sequence[str]:
    """Say what cannot be told of its memory, or not exactly."""
    memory, size = call.job.memory, call.job.settings.kv_cache_bytes
    if call.own(*_MEMORY):
        return ()
    if size is not None:
        return _cache_notes(call, size)
    if memory.per_rank_bytes is None:
        return ()
    if not _counts_memory(call):
        return (
            "vLLM before v0.20 takes no fraction of memory on CPUs, and sizes its KV cache by "
            "itself: say spec.memory.kvCache",
        )
    one_node = () if memory.ask == BOUND_LOCALLY else (_ONE_NODE,)
    return (*_fraction_notes(call), *one_node)


def _cache_notes(call: Call, size: int) -> Sequence[str]:
    """Say where whole GiB are all that can be told, and the size is none."""
    if size % GIB == 0 or _takes_size(call):
        return ()
    told = f"{size // GIB} GiB are" if size >= GIB else "none is"
    return (f"{_SPACE} takes whole GiB: {told} told of spec.memory.kvCache",)


def _fraction_notes(call: Call) -> Sequence[str]:
    if _basis_bytes(call) is None:
        return (
            "vLLM before v0.24 counts its memory from that of a NUMA node, which is not known "
            "until a node offers the pool; spec.memory.kvCache needs no node",
        )
    if _fraction(call) is None:
        return (
            "spec.memory.perRank leaves nothing for a rank beside what is no rank (API server, "
            f"scheduler and /dev/shm: {OVERHEAD_BYTES // GIB} GiB and "
            f"{SHM_BYTES_PER_RANK // GIB} GiB for each rank); raise it, or say spec.memory.kvCache",
        )
    if call.job.memory.limit_bytes is not None and _version(call) is None:
        return (
            "the image's tag tells no version of vLLM: memory is counted as v0.24 and later do; "
            "spec.memory.kvCache holds for all",
        )
    return ()


def _takes_size(call: Call) -> bool:
    """Tell whether a size in bytes arrives and is obeyed."""
    return not call.closed and _counts_memory(call)


def _fraction(call: Call) -> str | None:
    """Give the fraction of memory for each rank; None where it is not known, or would be none."""
    job, basis = call.job, _basis_bytes(call)
    asked = job.memory.per_rank_bytes
    if asked is None or basis is None:
        return None
    given = budget.per_rank_bytes(
        min(asked, basis),
        ranks=job.ranks,
        limit_bytes=job.memory.limit_bytes,
        overhead_bytes=OVERHEAD_BYTES + SHM_BYTES_PER_RANK * job.ranks,
    )
    fraction = budget.fraction(given, basis)
    return budget.as_decimal(fraction) if fraction else None


def _basis_bytes(call: Call) -> int | None:
    """Tell of what vLLM takes its fraction, or of more, so that it never asks for too much."""
    memory, version = call.job.memory, _version(call)
    if memory.limit_bytes is None or (version and version < READS_LIMIT_SINCE):
        return memory.node_bytes
    return memory.limit_bytes


def _version(call: Call) -> tuple[int, int] | None:
    """Read the version from the tag of an image of vLLM; the tags of others say other things."""
    found = _VERSION.search(call.job.image)
    return (int(found[1][:6]), int(found[2][:6])) if found else None


def _counts_memory(call: Call) -> bool:
    version = _version(call)
    return version is None or version >= COUNTS_MEMORY_SINCE
