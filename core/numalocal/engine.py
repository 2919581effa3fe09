"""Tell an engine its CPUs in its own language: settings + assignment + machine -> environment."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from numalocal import compute, names
from numalocal.assignment import Assignment
from numalocal.idset import IdSet
from numalocal.machine import Machine

ENGINES: Final = ("vllm", "openmp", "none")
OPENMP_RUNTIMES: Final = ("auto", "gnu", "llvm", "intel", "none")
AFFINITY_VARIABLES: Final = frozenset(
    {"OMP_PLACES", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"}
)
"""The families that pin OpenMP threads; two of them in one process fight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What a worker says about its engine.

    `openmp` names the OpenMP runtime of a one-process program.  `reserved_cores` is the number of
    cores per replica without compute threads; None leaves it to the engine's default, which is one
    more where `kv_transfer` tells that vLLM hands its KV cache to another instance.
    """

    name: str = "none"
    openmp: str = "auto"
    reserved_cores: int | None = None
    kv_transfer: bool = False


def transfers_kv(command: Iterable[str]) -> bool:
    """Tell by its arguments whether vLLM hands its KV cache to another instance."""
    return any(argument.startswith("--kv-transfer-config") for argument in command)


def environment(
    settings: EngineSettings, assignment: Assignment, machine: Machine
) -> Mapping[str, str]:
    """Give all variables of an engine's container, ours and the engine's; no value is empty."""
    compute = compute_cpus(settings, assignment, machine)
    variables = dict(assignment.environment())
    variables[names.ENV_RANK_COMPUTE_CPUS] = "|".join(str(cpus) for cpus in compute)
    match settings.name:
        case "vllm":
            variables |= _vllm(compute, assignment)
        case "openmp" if len(compute) == 1:
            # Several ranks share one container: each gets its own from `numalocal-bind exec
            # --rank`, as one list for all would put every rank on the first rank's cores.
            variables |= openmp_environment(settings.openmp, compute[0])
        case _:
            pass
    return variables


def additions(variables: Mapping[str, str], present: Collection[str]) -> Mapping[str, str]:
    """Leave out the variables that the user sets himself: his value wins.

    Where he sets one that pins threads, none of ours is added.
    """
    pinned = not AFFINITY_VARIABLES.isdisjoint(present)
    return {
        name: value
        for name, value in variables.items()
        if name not in present and not (pinned and name in AFFINITY_VARIABLES)
    }


def compute_cpus(
    settings: EngineSettings, assignment: Assignment, machine: Machine
) -> tuple[IdSet, ...]:
    """Choose the CPUs for the compute threads of each rank, in rank order, less the reserved."""
    ranks = len(assignment.sets)
    return compute.compute_cpus(assignment, machine, _reserved_cores(settings, machine, ranks))


def openmp_environment(runtime: str, cpus: IdSet) -> Mapping[str, str]:
    """Pin one thread to each CPU with exactly one family of variables.

    Two families in one process fight: the loser is ignored with a warning at best.  `auto` uses
    the standard's own, which libgomp, libomp and libiomp5 all obey.
    """
    count = {"OMP_NUM_THREADS": str(len(cpus))}
    match runtime:
        case "none":
            return count
        case "gnu":
            return count | {"GOMP_CPU_AFFINITY": " ".join(str(cpu) for cpu in cpus)}
        case "llvm" | "intel":
            proclist = ",".join(str(cpu) for cpu in cpus)
            return count | {"KMP_AFFINITY": f"granularity=fine,explicit,proclist=[{proclist}]"}
        case _:
            places = ",".join(f"{{{cpu}}}" for cpu in cpus)
            return count | {"OMP_PLACES": places, "OMP_PROC_BIND": "true"}


def _vllm(compute: Sequence[IdSet], assignment: Assignment) -> Mapping[str, str]:
    """Write the list in full: `auto` picks nodes that own none of the pod's CPUs (vllm#43240).

    Generic OpenMP variables would pin vLLM's main process and all its children to one CPU.
    """
    return {
        "VLLM_CPU_OMP_THREADS_BIND": "|".join(str(cpus) for cpus in compute),
        "CPU_VISIBLE_MEMORY_NODES": ",".join(str(one.numa_node) for one in assignment.sets),
    }


def _reserved_cores(settings: EngineSettings, machine: Machine, ranks: int) -> int:
    """VLLM's scheduler polls without a pause, so it needs cores of its own."""
    if settings.reserved_cores is not None:
        return settings.reserved_cores
    if settings.name != "vllm":
        return 0
    return compute.reserved_cores(machine.architecture, ranks, kv_transfer=settings.kv_transfer)
