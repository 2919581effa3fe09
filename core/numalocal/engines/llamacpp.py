"""llama.cpp: its server and tools, and the Python server on its library.

Its default number of threads is the host's.  Where a version does not read the variable for
batches, they get as many threads as decoding.  Facts are of common/arg.cpp, common/common.cpp,
ggml/src/ggml-cpu/ggml-cpu.c, tools/llama-bench, tools/rpc, app/llama.cpp and .devops.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from numalocal import names
from numalocal.engines.adapter import Adapter, Option, Seat
from numalocal.engines.arguments import Command
from numalocal.engines.call import LIBRARY, Call, Program
from numalocal.sets.memoryask import BOUND_LOCALLY

_COMMON: Final = Program("llama.cpp")
"""The programs that read their options by common/arg.cpp, and LLAMA_ARG_ variables with them."""
_BENCH: Final = Program("llama-bench", reads_variables=False)
_RPC: Final = Program("rpc-server", reads_variables=False)
_PYTHON_SERVER: Final = Program("llama_cpp.server", reads_options=False)
_NO_ENGINE: Final = Program(
    "a program that computes nothing", reads_options=False, reads_variables=False
)

_PROGRAMS: Final[Mapping[str, Program]] = {
    **dict.fromkeys(("main", "server", "embedding", "perplexity"), _COMMON),
    **dict.fromkeys(
        (
            *("llama-server", "llama-cli", "llama-completion", "llama-embedding"),
            *("llama-perplexity", "llama-imatrix", "llama-batched-bench", "llama-batched"),
            *("llama-parallel", "llama-passkey", "llama-retrieval", "llama-speculative"),
            *("llama-speculative-simple", "llama-lookup", "llama-lookahead", "llama-tts"),
            *("llama-mtmd-cli", "llama-diffusion-cli", "llama-cvector-generator"),
            *("llama-eval-callback", "llama-finetune", "llama-infill", "llama-fit-params"),
            *("llama-results", "llama-llava-cli", "llama-minicpmv-cli", "llama-gemma3-cli"),
            *("llama-qwen2vl-cli", "llama-gritlm"),
        ),
        _COMMON,
    ),
    **dict.fromkeys(("rpc-server", "ggml-rpc-server", "llama-rpc-server"), _RPC),
    "llama-bench": _BENCH,
    "llama_cpp.server": _PYTHON_SERVER,
}
_SUBCOMMANDS: Final[Mapping[str, Program]] = {
    **dict.fromkeys(("serve", "server", "cli", "client", "completion", "complete"), _COMMON),
    **dict.fromkeys(("batched-bench", "perplexity", "fit-params"), _COMMON),
    "bench": _BENCH,
    **dict.fromkeys(("quantize", "download", "get", "update", "version", "help"), _NO_ENGINE),
}
"""What `llama COMMAND` starts."""
_TOOLS: Final[Mapping[str, Program]] = {
    **dict.fromkeys(("--server", "-s", "--run", "-r", "--run-legacy", "-l"), _COMMON),
    **dict.fromkeys(("--perplexity", "-p"), _COMMON),
    **dict.fromkeys(("--bench", "-b"), _BENCH),
    **dict.fromkeys(("--convert", "-c", "--quantize", "-q", "--all-in-one", "-a"), _NO_ENGINE),
}
"""What tools.sh starts by its first word, the entry point of the images `full`."""

_THREADS: Final = ("-t", "--threads")
_BATCH: Final = ("-tb", "--threads-batch")
_MAPPING: Final = ("--no-mmap", "--mmap", "LLAMA_ARG_NO_MMAP", "LLAMA_ARG_MMAP")
_MASK: Final = ("--cpu-mask", "-C", "-Cr", "--cpu-range")


def _program(command: Command, image: str) -> Program | None:
    name, words = command.name, command.words
    if name in ("", "tools.sh"):
        return _entry_point(words, image if name == "" else ":full")
    if name == "llama":
        return _SUBCOMMANDS.get(words[0]) if words else None
    if _serves_python(command):
        return _PYTHON_SERVER
    return _PROGRAMS.get(name, LIBRARY if command.python else None)


def _entry_point(words: Sequence[str], image: str) -> Program | None:
    """Find what an image starts: the official ones are `server`, `light` and `full`."""
    tag = image.rpartition("/")[2].partition(":")[2]
    if tag.startswith("full"):
        return _TOOLS.get(words[0]) if words else None
    if words and words[0] in _TOOLS and words[0].startswith("--"):
        return _TOOLS[words[0]]
    return _COMMON


def _serves_python(command: Command) -> bool:
    """Tell an ASGI server that is to run the Python server."""
    servers = command.name in ("uvicorn", "gunicorn", "hypercorn")
    return servers and any(word.startswith("llama_cpp.server") for word in command.words)


def _variables(seat: Seat) -> Mapping[str, str]:
    threads, program = str(seat.threads), seat.call.program
    if not program.reads_variables:
        return {}
    if program is _PYTHON_SERVER:
        return {"N_THREADS": threads, "N_THREADS_BATCH": threads}
    told = {"LLAMA_ARG_THREADS": threads, "LLAMA_ARG_THREADS_BATCH": threads}
    if seat.confined or len(seat.machine.nodes) == 1:
        told["LLAMA_ARG_NUMA"] = "numactl"
    # On several nodes every one of its NUMA modes lets the main thread loose on all CPUs after each
    # graph (clear_numa_thread_affinity): only a cgroup holds it then.
    return told


def _options(call: Call) -> Sequence[Option]:
    """Keep each thread on a core of its own, where the NUMA mode does not undo it.

    The mask has a bit for each core, whether one is reserved or not: threads take the first.  What
    reads no variable gets its threads as an option.
    """
    options: list[Option] = []
    if not call.program.reads_variables:
        options.append(Option("--threads", f"$({names.ENV_THREADS})", _THREADS))
    if call.program not in (_RPC, _PYTHON_SERVER, LIBRARY):
        options.append(Option(_MASK[0], f"$({names.ENV_THREADS_MASK})", _MASK[1:]))
        options.append(Option("--cpu-strict", "1", _MASK))
    return () if call.program is _NO_ENGINE else options


def _notes(call: Call) -> Sequence[str]:
    notes = list(_unread(call))
    job, program = call.job, call.program
    if program is LIBRARY:
        notes.append(
            "a Python program on llama.cpp reads no variable of it: give n_threads and "
            f"n_threads_batch of Llama(...) the number in {names.ENV_THREADS}"
        )
    if program in (_RPC, _BENCH) and job.settings.reserved_cores:
        notes.append(
            f"spec.engine.reservedCores cannot be told to {program.name}: its threads are counted "
            "before the engine is known; say --threads yourself"
        )
    if program is _COMMON and job.memory.ask != BOUND_LOCALLY and not call.own(*_MAPPING):
        notes.append(
            "llama.cpp maps the file of its weights, and pages of it that somebody has read before "
            "stay on their node: with --no-mmap weights lie where memory is asked from"
        )
    if job.ranks > 1:
        notes.append(
            f"llama.cpp is one process: threads of its {job.ranks} CPU sets work on one model, "
            "whose memory lies where it was touched first; ranks: 1 and more replicas are faster"
        )
    return notes


def _unread(call: Call) -> Sequence[str]:
    """Name the variables that people set for a program that reads none."""
    if call.program.reads_variables:
        return ()
    set_in_vain = [name for name in _SPEAKS if name.startswith("LLAMA_") and call.own(name)]
    return [f"{name} is set, and {call.program.name} reads no variable" for name in set_in_vain]


_SPEAKS: Final[Mapping[str, tuple[str, ...]]] = {
    "LLAMA_ARG_THREADS": _THREADS,
    "LLAMA_ARG_THREADS_BATCH": _BATCH,
    "LLAMA_ARG_NUMA": ("--numa",),
    "N_THREADS": ("--n-threads", "n_threads"),
    "N_THREADS_BATCH": ("--n-threads-batch", "n_threads_batch"),
}

ADAPTERS: Final = (
    Adapter(
        name="llama.cpp",
        program=_program,
        variables=_variables,
        speaks=_SPEAKS,
        options=_options,
        notes=_notes,
    ),
)
