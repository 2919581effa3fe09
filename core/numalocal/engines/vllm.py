"""vLLM on CPUs: `vllm serve`, its other programs and its Python API.

Its main process starts one worker per rank, each with the OpenMP variables of its own list
(vllm/utils/ompmultiprocessing.py).  The list is always written in full, as `auto` picks nodes that
own none of the pod's CPUs (vllm#43240).
"""

import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import Final

from numalocal.engines import budget, compute
from numalocal.engines.adapter import LIBRARY, Adapter, Call, Option, Program, Seat
from numalocal.engines.arguments import Command
from numalocal.engines.budget import GIB, RankMemory

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

_TP: Final = ("--tensor-parallel-size", "-tp")
_PP: Final = ("--pipeline-parallel-size", "-pp")
_PCP: Final = ("--prefill-context-parallel-size", "-pcp")
_DP: Final = ("--data-parallel-size", "-dp")
_DP_LOCAL: Final = ("--data-parallel-size-local", "-dpl")
_MACHINES: Final = ("--nnodes", "-n")
_SHAPE: Final = (*_TP, *_PP, *_PCP, *_DP, *_DP_LOCAL, *_MACHINES)
_KV: Final = "--kv-cache-memory-bytes"
_KV_VARIABLE: Final = "VLLM_CPU_KVCACHE_SPACE"
"""Whole GiB of each rank.  Where it is set it beats the option, and 0 is none at all."""
_FRACTION: Final = "--gpu-memory-utilization"
_MEMORY: Final = (_KV, _FRACTION, _KV_VARIABLE)
_TRANSFER: Final = "--kv-transfer-config"
_VERSION: Final = re.compile(r":(?:[\w-]*[-_])?v?(\d+)\.(\d+)[^/]*$")

_SERVE: Final = Program("vllm serve")
_CLIENT: Final = Program("a program that starts no engine", reads_options=False)
_WITH_ENGINE: Final = frozenset({"serve", "run-batch"})
_BENCH_WITH_ENGINE: Final = frozenset({"latency", "throughput", "startup"})
_OTHERS: Final = frozenset({"bench", "chat", "complete", "collect-env", "launch"})


def _program(command: Command, _image: str) -> Program | None:
    """Find the program (vllm/entrypoints); an image's entry point is `vllm serve` or a module."""
    if command.name in ("vllm", "vllm.entrypoints.cli.main", ""):
        return _subcommand(command)
    if command.name.startswith("vllm.entrypoints."):
        return _SERVE
    return LIBRARY if command.python else None


def _subcommand(command: Command) -> Program:
    first, second = (*command.words[:2], "", "")[:2]
    if first in _WITH_ENGINE or (first == "bench" and second in _BENCH_WITH_ENGINE):
        return _SERVE
    return _CLIENT if command.name or first in _OTHERS else _SERVE


def _variables(seat: Seat) -> Mapping[str, str]:
    return {
        "VLLM_CPU_OMP_THREADS_BIND": seat.lists,
        # By rank, and one for each: vLLM looks a rank's node up by its place in the list.
        "CPU_VISIBLE_MEMORY_NODES": ",".join(
            str(one.memory_nodes.first) for one in seat.assignment.sets
        ),
    }


def _settled(call: Call) -> Sequence[Option]:
    """Tell the KV cache by variable too: a program around LLM(...) reads no arguments.

    Not where the argument arrives and the variable, which beats it, would round it down.
    """
    size = call.job.settings.kv_cache_bytes
    if size is None or size < GIB or (size % GIB and _takes_size(call)):
        return ()
    others = (_KV, _FRACTION) if _counts_memory(call) else (_KV,)
    return (Option(_KV_VARIABLE, str(budget.kv_cache_gib(size)), others),)


def _options(call: Call) -> Sequence[Option]:
    options: list[Option] = []
    if call.program is _CLIENT:
        return options
    if call.job.ranks > 1:
        options.append(Option(_TP[0], str(call.job.ranks), _SHAPE[1:]))
    if not _counts_memory(call):
        return options
    if (size := call.job.settings.kv_cache_bytes) is not None:
        if _takes_size(call) or size % GIB:
            options.append(Option(_KV, str(size), _MEMORY[1:]))
    elif (fraction := _fraction(call)) is not None:
        options.append(Option(_FRACTION, fraction, _MEMORY))
    return options


def _takes_size(call: Call) -> bool:
    """Tell whether a size in bytes arrives and is obeyed."""
    return not call.closed and _counts_memory(call)


def _fraction(call: Call) -> str | None:
    """Give the fraction of memory for each rank; None where it is not known, or would be none."""
    job, basis = call.job, _basis_bytes(call)
    asked = job.memory.per_rank_bytes
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


def _basis_bytes(call: Call) -> int | None:
    """Tell of what vLLM takes its fraction, or of more, so that it never asks for too much."""
    memory, version = call.job.memory, _version(call)
    if memory.limit_bytes is None or (version and version < READS_LIMIT_SINCE):
        return memory.node_bytes
    return memory.limit_bytes


def _version(call: Call) -> tuple[int, int] | None:
    """Read the version from the image's tag."""
    found = _VERSION.search(call.job.image)
    return (int(found[1][:6]), int(found[2][:6])) if found else None


def _counts_memory(call: Call) -> bool:
    version = _version(call)
    return version is None or version >= COUNTS_MEMORY_SINCE


def _notes(call: Call) -> Sequence[str]:
    return (*_shape_notes(call), *_memory_notes(call))


def _shape_notes(call: Call) -> Sequence[str]:
    """Compare the number of workers that it starts here with the ranks."""
    if not call.own(*_SHAPE):
        return ()
    replicas = _DP_LOCAL if call.own(*_DP_LOCAL) else _DP
    shape = [call.number(*one) for one in (_TP, _PP, _PCP, replicas)]
    machines = call.number(*_MACHINES)
    known = [one for one in shape if one is not None]
    if len(known) < len(shape) or not machines:
        return ()
    started = prod(known) // machines
    ranks = call.job.ranks
    if started == ranks:
        return ()
    return (
        f"its arguments start {started} ranks, and spec.ranks is {ranks}: vLLM refuses a "
        f"list of another length; say ranks: {started}",
    )


def _memory_notes(call: Call) -> Sequence[str]:
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
    return _fraction_notes(call)


def _cache_notes(call: Call, size: int) -> Sequence[str]:
    """Say where whole GiB are all that can be told, and the size is none."""
    if size % GIB == 0 or _takes_size(call):
        return ()
    told = f"{size // GIB} GiB are" if size >= GIB else "none is"
    return (f"{_KV_VARIABLE} takes whole GiB: {told} told of spec.memory.kvCache",)


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


def _reserved(call: Call, architecture: str) -> int:
    """Its scheduler polls without a pause, so it needs cores of its own."""
    transfer = bool(call.own(_TRANSFER))
    return compute.reserved_cores(architecture, call.job.ranks, kv_transfer=transfer)


ADAPTERS: Final = (
    Adapter(
        name="vllm",
        program=_program,
        variables=_variables,
        settled=_settled,
        speaks={
            "VLLM_CPU_OMP_THREADS_BIND": (),
            "CPU_VISIBLE_MEMORY_NODES": (),
        },
        options=_options,
        configs=("--config",),
        abbreviated=frozenset({*_SHAPE, _KV, _FRACTION, _TRANSFER, "-r"}),
        ignores={
            "VLLM_CPU_NUM_OF_RESERVED_CPU": "does nothing beside a list of CPUs written in full: "
            "say spec.engine.reservedCores instead"
        },
        notes=_notes,
        reserved=_reserved,
        forks=True,
        kv_cache=True,
        shm_bytes_per_rank=SHM_BYTES_PER_RANK,
    ),
)
