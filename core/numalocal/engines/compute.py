"""Which CPUs of a rank compute: one rule per architecture, all in one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from numalocal import names
from numalocal.idset import IdSet, union
from numalocal.machine.model import KINDS, Core, Machine
from numalocal.sets.assignment import Assignment
from numalocal.sets.cpusets import CpuSet

ALL_THREADS: Final = 8
"""More threads per core than that no architecture has."""
MASK_BITS: Final = 512
"""GGML_MAX_N_THREADS (ggml/include/ggml.h)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How an architecture's cores are used.

    `threads_per_core` is how many compute threads a core gets, where the pool does not say it, and
    `highest` takes the siblings with the highest ids instead of the lowest.  `reserved_per_rank`
    keeps one core free for every rank, else one for the replica, where the engine has a scheduler
    that polls without a pause.
    """

    threads_per_core: int
    highest: bool
    reserved_per_rank: bool


_X86: Final = Rule(threads_per_core=1, highest=True, reserved_per_rank=True)
_POWER: Final = Rule(threads_per_core=4, highest=False, reserved_per_rank=False)
_OTHER: Final = Rule(threads_per_core=1, highest=False, reserved_per_rank=False)

# The rows follow vLLM's automatic binding (vllm/utils/ompmultiprocessing.py), with what it takes
# for granted read from the machine instead:
# - x86, s390x: two threads of one core share its vector units, so one computes.  The highest
#   sibling is the quieter one: kernels send interrupts and unbound work to low ids first.
#   vLLM takes the last since #39781.
# - POWER: SMT-8 cores have two halves of four threads; the first four siblings in the kernel's own
#   order use each unit once (vLLM: id % 8 < 4, right only where numbering is aligned to cores).
# - ARM, RISC-V, LoongArch: all threads; nearly all of these cores have one (vLLM #40569).
# - One core reserved per rank: ARM and RISC-V since #39781 and #40569, where the scheduler drifted
#   onto the one CPU without a pinned thread; x86 since #53636.
RULES: Final[Mapping[str, Rule]] = {
    "x86_64": _X86,
    "i686": _X86,
    "s390x": Rule(threads_per_core=1, highest=True, reserved_per_rank=False),
    "ppc64le": _POWER,
    "ppc64": _POWER,
    "aarch64": Rule(threads_per_core=ALL_THREADS, highest=False, reserved_per_rank=True),
    "riscv64": Rule(threads_per_core=ALL_THREADS, highest=False, reserved_per_rank=True),
    "loongarch64": Rule(threads_per_core=ALL_THREADS, highest=False, reserved_per_rank=False),
}
"""By `uname -m`; any other architecture computes on the first thread of each core."""


def rule(architecture: str) -> Rule:
    """Find an architecture's rule."""
    return RULES.get(architecture, _OTHER)


def reserved_cores(architecture: str, ranks: int, *, kv_transfer: bool) -> int:
    """How many cores of a replica a polling scheduler needs, and each rank's KV transfer."""
    own = ranks if rule(architecture).reserved_per_rank else 1
    return own + ranks * int(kv_transfer)


def thread_variables(
    assignment: Assignment, machine: Machine, quota_cpus: int | None = None
) -> Mapping[str, str]:
    """Give what arguments may name as `$(NUMALOCAL_...)` of the threads, with no core reserved.

    They are needed before the engine is known.  A mask of more bits than llama.cpp reads, who is
    the one to ask for it, would be read wrong: then it is 0, which binds nothing.
    """
    cpus = union(compute_cpus(assignment, machine, 0, quota_cpus))
    readable = max(cpus) < MASK_BITS
    return {
        names.ENV_THREADS: str(len(cpus)),
        names.ENV_THREADS_MASK: hex(sum(1 << cpu for cpu in cpus) if readable else 0),
    }


def compute_cpus(
    assignment: Assignment, machine: Machine, reserved: int, quota_cpus: int | None = None
) -> tuple[IdSet, ...]:
    """Choose the CPUs for the compute threads of each rank, in rank order.

    `reserved` cores of the replica are left out: each is the last core of the longest list, of the
    last rank where several are longest; a rank keeps at least one core.  On a hybrid machine the
    efficiency cores are the last.

    All ranks together get no more CPUs than a quota of `quota_cpus` leaves beside the threads on
    reserved cores, which take of it too, at most half; each rank keeps one.
    """
    lists = [_by_core(one, machine) for one in assignment.sets]
    for _ in range(reserved):
        longest = max(range(len(lists)), key=lambda rank: (len(lists[rank]), rank))
        if len(lists[longest]) <= 1:
            break
        lists[longest].pop()
    if quota_cpus is not None:
        _thin(lists, max(len(lists), quota_cpus - min(reserved, quota_cpus // 2)))
    return tuple(IdSet.of(cpu for core in cores for cpu in core) for cores in lists)


def _thin(lists: list[list[list[int]]], most: int) -> None:
    """Take CPUs away until so many are left: of the longest list, siblings before whole cores."""
    counts = [sum(map(len, cores)) for cores in lists]
    while sum(counts) > most:
        longest = max(range(len(lists)), key=lambda rank: (counts[rank], rank))
        cores = lists[longest]
        fullest = max(range(len(cores)), key=lambda core: (len(cores[core]), core))
        cores[fullest].pop()
        lists[longest] = [core for core in cores if core]
        counts[longest] -= 1


def _by_core(one: CpuSet, machine: Machine) -> list[list[int]]:
    """List the compute CPUs of each core of a set: performance cores first, then by lowest CPU.

    A core whose sibling is offline computes on what it has.
    """
    how, usable = rule(machine.architecture), one.cpus & machine.online
    cores = sorted(machine.cores_of_cpus(usable), key=_slower)
    return [_threads(core.cpus & usable, one.threads_per_core, how) for core in cores]


def _slower(core: Core) -> bool:
    return core.kind == KINDS[1]


def _threads(cpus: IdSet, count: int | None, how: Rule) -> list[int]:
    siblings = list(cpus)
    wanted = how.threads_per_core if count is None else count
    return siblings[-wanted:] if how.highest else siblings[:wanted]
