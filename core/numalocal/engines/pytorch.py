"""PyTorch programs, and the servers on it: text-embeddings-inference (tei), text-generation (tgi).

They get the number of threads only.  A variable that pins threads would pin their Python main
thread when torch is loaded, and all that it starts.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from numalocal.engines.adapter import Adapter, Seat
from numalocal.engines.call import Call

_PROCESSES: Final = "PET_NPROC_PER_NODE"
"""torchrun's --nproc-per-node as a variable."""
_COUNTS: Final[Mapping[str, tuple[str, ...]]] = {"OMP_NUM_THREADS": (), "MKL_NUM_THREADS": ()}


def _counts(seat: Seat) -> Mapping[str, str]:
    """Give each process the threads of a rank; where ranks differ, of the smallest."""
    threads = str(min(len(cpus) for cpus in seat.compute))
    return dict.fromkeys(_COUNTS, threads)


def _variables(seat: Seat) -> Mapping[str, str]:
    ranks = len(seat.compute)
    return {**_counts(seat), **({_PROCESSES: str(ranks)} if ranks > 1 else {})}


def _notes(call: Call) -> Sequence[str]:
    if call.job.ranks == 1 or call.binds_ranks:
        return ()
    return (
        f"its {call.job.ranks} ranks share one container and all of its CPUs: start them as "
        "`torchrun --no-python numalocal-bind exec --rank-from LOCAL_RANK --openmp none -- python "
        "...`, which binds each to its own set",
    )


def _tei_notes(call: Call) -> Sequence[str]:
    """Its ONNX Runtime gets as many threads as num_cpus counts (backends/ort/src/lib.rs)."""
    notes = [
        "text-embeddings-inference on ONNX Runtime, as in its CPU images, starts a thread for each "
        "CPU of its sets and takes no number from a variable; its other backends take "
        "OMP_NUM_THREADS and MKL_NUM_THREADS"
    ]
    if call.job.ranks > 1:
        notes.append(
            "text-embeddings-inference is one process, which is told the threads of one of its "
            f"{call.job.ranks} CPU sets: ask for ranks: 1 and more replicas"
        )
    return notes


def _tgi_notes(_call: Call) -> Sequence[str]:
    return (
        "text-generation-inference lays its processes over the host's NUMA nodes by itself, and "
        "cannot be told other CPUs (text-generation-inference#3011): the cpuset alone holds it",
    )


ADAPTERS: Final = (
    Adapter(
        name="pytorch",
        variables=_variables,
        speaks={**_COUNTS, _PROCESSES: ("--nproc-per-node",)},
        notes=_notes,
        forks=True,
    ),
    Adapter(name="tei", variables=_counts, speaks=_COUNTS, notes=_tei_notes, forks=True),
    Adapter(
        name="tgi",
        variables=_counts,
        speaks=_COUNTS,
        notes=_tgi_notes,
        forks=True,
        binds_memory=True,
    ),
)
