"""Programs of one process with an OpenMP runtime: one thread on each core, by one family.

Two families in one process fight: the loser is ignored with a warning at best, and where two
runtimes are loaded each obeys its own, which stacks all threads on one core.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from numalocal.engines.adapter import Adapter, Seat
from numalocal.engines.call import Call
from numalocal.idset import IdSet

PINNING: Final = ("OMP_PLACES", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")
"""The families that pin threads: where the user sets one, none of ours is added."""

WAIT_MS: Final = "5"
"""How long a thread waits hot; vLLM has the same."""


def threads(runtime: str, cpus: IdSet) -> Mapping[str, str]:
    """Pin one thread to each CPU with exactly one family of variables.

    `auto` uses the standard's own, which libgomp, libomp and libiomp5 all obey.  Threads wait hot
    for some 5 ms and then sleep: that lasts from one token to the next, and burns no core between
    requests.  libgomp does so by itself (4 to 8 ms), libomp and libiomp5 would for 200 ms.
    """
    count = {"OMP_NUM_THREADS": str(len(cpus))}
    match runtime:
        case "none":
            return count
        case "gnu":
            return count | {"GOMP_CPU_AFFINITY": " ".join(str(cpu) for cpu in cpus)}
        case "llvm" | "intel":
            proclist = ",".join(str(cpu) for cpu in cpus)
            affinity = f"granularity=fine,explicit,proclist=[{proclist}]"
            return count | {"KMP_AFFINITY": affinity, "KMP_BLOCKTIME": WAIT_MS}
        case _:
            places = ",".join(f"{{{cpu}}}" for cpu in cpus)
            return count | {"OMP_PLACES": places, "OMP_PROC_BIND": "true"}


def _variables(seat: Seat) -> Mapping[str, str]:
    """Ranks that share a container have no list in common: each gets its own from the binder."""
    if len(seat.compute) > 1:
        return {}
    return threads(seat.call.job.settings.openmp, seat.compute[0])


def _notes(call: Call) -> Sequence[str]:
    if call.job.ranks == 1 or call.binds_ranks:
        return ()
    return (
        f"its {call.job.ranks} ranks share one container, so no OpenMP variable is set: start them "
        "as `numalocal-bind run -- COMMAND`, which gives each rank its own",
    )


ADAPTERS: Final = (
    Adapter(
        name="openmp",
        variables=_variables,
        speaks={
            "OMP_NUM_THREADS": (),
            **dict.fromkeys(PINNING, ()),
            "KMP_BLOCKTIME": ("OMP_WAIT_POLICY",),
        },
        notes=_notes,
    ),
)
