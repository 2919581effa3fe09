"""ONNX Runtime in an application of one's own: it reads no variable, so the application must.

By default it starts a thread for each core of the host and pins it there, which a cpuset refuses
(onnxruntime#8313); any number given switches that off.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from numalocal.engines.adapter import Adapter, Seat
from numalocal.engines.call import Call

THREADS: Final = "NUMALOCAL_INTRA_OP_NUM_THREADS"
"""For SessionOptions.intra_op_num_threads."""
AFFINITIES: Final = "NUMALOCAL_INTRA_OP_THREAD_AFFINITIES"
"""For the session's entry session.intra_op_thread_affinities."""


def _variables(seat: Seat) -> Mapping[str, str]:
    """Number processors from 1, one group for each thread but the caller's, which is not pinned."""
    cpus = [cpu for rank in seat.compute for cpu in rank]
    groups = ";".join(str(cpu + 1) for cpu in cpus[1:])
    return {THREADS: str(len(cpus))} | ({AFFINITIES: groups} if groups else {})


def _notes(_call: Call) -> Sequence[str]:
    return (
        f"ONNX Runtime reads no variable: the application must give {THREADS} to "
        f"intra_op_num_threads, and {AFFINITIES}, where it is set, to the session's "
        "session.intra_op_thread_affinities",
    )


ADAPTERS: Final = (
    Adapter(
        name="onnxruntime",
        variables=_variables,
        speaks={THREADS: (), AFFINITIES: ()},
        ignores={"OMP_NUM_THREADS": "the threads of ONNX Runtime do not obey it"},
        notes=_notes,
    ),
)
