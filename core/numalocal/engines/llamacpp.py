"""llama.cpp: llama-server, llama-cli and the others that read LLAMA_ARG_ variables.

Its default number of threads is the host's.  Where a version does not read the variable for
batches, they get as many threads as decoding.  Facts are of common/arg.cpp, common/common.cpp and
ggml/src/ggml-cpu/ggml-cpu.c.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from numalocal import names
from numalocal.engines.adapter import Adapter, Job, Option, Seat


def _variables(seat: Seat) -> Mapping[str, str]:
    threads = str(seat.threads)
    told = {"LLAMA_ARG_THREADS": threads, "LLAMA_ARG_THREADS_BATCH": threads}
    if seat.confined or len(seat.machine.nodes) == 1:
        told["LLAMA_ARG_NUMA"] = "numactl"
    # On several nodes every one of its NUMA modes lets the main thread loose on all CPUs after each
    # graph (clear_numa_thread_affinity): only a cgroup holds it then.
    return told


def _options(job: Job) -> Sequence[Option]:
    """Keep each thread on a core of its own, where the NUMA mode does not undo it.

    The mask has a bit for each core, whether one is reserved or not: threads take the first.
    """
    if job.argv and PurePosixPath(job.argv[0]).name.startswith("python"):
        return ()  # a binding for Python has options of its own
    own_mask = ("-C", "-Cr", "--cpu-range")
    return (
        Option("--cpu-mask", f"$({names.ENV_THREADS_MASK})", own_mask),
        Option("--cpu-strict", "1", ("--cpu-mask", *own_mask)),
    )


def _notes(job: Job) -> Sequence[str]:
    if job.ranks == 1:
        return ()
    return (
        f"llama.cpp is one process: threads of its {job.ranks} CPU sets work on one model, whose "
        "memory lies where it was touched first; ranks: 1 and more replicas are faster",
    )


ADAPTERS: Final = (
    Adapter(
        name="llama.cpp",
        variables=_variables,
        speaks={
            "LLAMA_ARG_THREADS": ("-t", "--threads"),
            "LLAMA_ARG_THREADS_BATCH": ("-tb", "--threads-batch"),
            "LLAMA_ARG_NUMA": ("--numa",),
        },
        options=_options,
        notes=_notes,
    ),
)
