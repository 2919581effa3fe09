"""vLLM on CPUs: `vllm serve`, its other programs and its Python API.

Its main process starts one worker per rank, each with the OpenMP variables of its own list
(vllm/utils/ompmultiprocessing.py).  The list is always written in full, as `auto` picks nodes that
own none of the pod's CPUs (vllm#43240).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from numalocal.engines import compute, shape, vllm_memory
from numalocal.engines.adapter import Adapter, Option, Seat
from numalocal.engines.arguments import Command
from numalocal.engines.call import LIBRARY, Call, Program

_TP: Final = ("--tensor-parallel-size", "-tp")
_PP: Final = ("--pipeline-parallel-size", "-pp")
_PCP: Final = ("--prefill-context-parallel-size", "-pcp")
_DP: Final = ("--data-parallel-size", "-dp")
_DP_LOCAL: Final = ("--data-parallel-size-local", "-dpl")
_MACHINES: Final = ("--nnodes", "-n")
_SHAPE: Final = (*_TP, *_PP, *_PCP, *_DP, *_DP_LOCAL, *_MACHINES)
_TRANSFER: Final = "--kv-transfer-config"

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
            str((one.memory_nodes & mems or mems).first)
            for one, mems in zip(seat.assignment.sets, seat.rank_mems, strict=True)
        ),
    }


def _options(call: Call) -> Sequence[Option]:
    if call.program is _CLIENT:
        return ()
    ranks = Option(_TP[0], str(call.job.ranks), _SHAPE[1:])
    return (*((ranks,) if call.job.ranks > 1 else ()), *vllm_memory.options(call))


def _notes(call: Call) -> Sequence[str]:
    replicas = _DP_LOCAL if call.own(*_DP_LOCAL) else _DP
    started = shape.notes(call, (_TP, _PP, _PCP, replicas), _MACHINES)
    return (*started, *vllm_memory.notes(call))


def _reserved(call: Call, architecture: str) -> int:
    """Its scheduler polls without a pause, so it needs cores of its own."""
    transfer = bool(call.own(_TRANSFER))
    return compute.reserved_cores(architecture, call.job.ranks, kv_transfer=transfer)


ADAPTERS: Final = (
    Adapter(
        name="vllm",
        program=_program,
        variables=_variables,
        settled=vllm_memory.settled,
        speaks={
            "VLLM_CPU_OMP_THREADS_BIND": (),
            "CPU_VISIBLE_MEMORY_NODES": (),
        },
        options=_options,
        configs=("--config",),
        abbreviated=frozenset({*_SHAPE, vllm_memory.SIZE, vllm_memory.FRACTION, _TRANSFER, "-r"}),
        ignores={
            "VLLM_CPU_NUM_OF_RESERVED_CPU": "does nothing beside a list of CPUs written in full: "
            "say spec.engine.reservedCores instead"
        },
        notes=_notes,
        reserved=_reserved,
        forks=True,
        kv_cache=True,
        binds_memory=True,
        shm_bytes_per_rank=vllm_memory.SHM_BYTES_PER_RANK,
    ),
)
