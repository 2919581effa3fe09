"""SGLang on CPUs: `python -m sglang.launch_server --device cpu`.

Each rank binds its threads to its part of the list and its memory to the nodes of these CPUs
(sglang/srt/utils/numa_utils.py); without a list it takes whole NUMA nodes.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from numalocal.engines import budget, shape
from numalocal.engines.adapter import Adapter, Option, Seat
from numalocal.engines.arguments import Command
from numalocal.engines.budget import GIB
from numalocal.engines.call import LIBRARY, Call, Program

SHM_BYTES_PER_RANK: Final = GIB
"""For all-reduce buffers and messages."""
OVERHEAD_BYTES: Final = 2 * GIB
"""What is no rank: HTTP server, tokenizer and detokenizer."""

_TP: Final = ("--tp-size", "--tensor-parallel-size")
_PP: Final = ("--pp-size", "--pipeline-parallel-size")
_DP: Final = ("--dp-size", "--data-parallel-size")
_MACHINES: Final = ("--nnodes",)
_DP_ATTENTION: Final = "--enable-dp-attention"
"""With it the data parallel ranks are among the tensor parallel ones, as experts always are."""
_SHAPE: Final = (*_TP, *_PP, *_DP, *_MACHINES)
_FRACTION: Final = "--mem-fraction-static"
_MEMORY: Final = (_FRACTION, "--max-total-tokens")


_SERVER: Final = Program("SGLang's server")
_MODULES: Final = frozenset(
    {"sglang.launch_server", "sglang.bench_one_batch", "sglang.bench_offline_throughput"}
)


def _program(command: Command, _image: str) -> Program | None:
    """Find the program (sglang/cli); its images have no entry point of their own."""
    if command.name in _MODULES or command.name == "":
        return _SERVER
    if command.name == "sglang" and command.words[:1] == ("serve",):
        return _SERVER
    return LIBRARY if command.python else None


def _variables(seat: Seat) -> Mapping[str, str]:
    return {"SGLANG_USE_CPU_ENGINE": "1", "SGLANG_CPU_OMP_THREADS_BIND": seat.lists}


def _options(call: Call) -> Sequence[Option]:
    options = [Option("--device", "cpu")]
    if call.job.ranks > 1:
        options.append(Option(_TP[0], str(call.job.ranks), _SHAPE[1:]))
    if (fraction := _fraction(call)) is not None:
        options.append(Option(_FRACTION, fraction, _MEMORY[1:]))
    return options


def _fraction(call: Call) -> str | None:
    """Give the share of free memory for weights and KV cache of each rank, None = not known.

    SGLang divides what is free by the number of NUMA nodes it has, which is one at the least: the
    fraction is right there, and too small where ranks lie on several.
    """
    job = call.job
    asked, limit = job.memory.per_rank_bytes, job.memory.limit_bytes
    free = job.memory.host_bytes if limit is None else limit
    if asked is None or free is None:
        return None
    given = budget.per_rank_bytes(
        asked,
        ranks=job.ranks,
        limit_bytes=limit,
        overhead_bytes=OVERHEAD_BYTES + SHM_BYTES_PER_RANK * job.ranks,
    )
    fraction = budget.fraction(given, free)
    return budget.as_decimal(fraction) if fraction else None


def _notes(call: Call) -> Sequence[str]:
    factors = (_TP, _PP) if call.own(_DP_ATTENTION) else (_TP, _PP, _DP)
    return (*shape.notes(call, factors, _MACHINES), *_memory_notes(call))


def _memory_notes(call: Call) -> Sequence[str]:
    job = call.job
    if job.memory.per_rank_bytes is None or call.own(*_MEMORY):
        return ()
    if _fraction(call) is None:
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
        program=_program,
        options=_options,
        configs=("--config",),
        abbreviated=frozenset({*_SHAPE, *_MEMORY, _DP_ATTENTION, "--device"}),
        notes=_notes,
        forks=True,
        binds_memory=True,
        shm_bytes_per_rank=SHM_BYTES_PER_RANK,
    ),
)
