"""Which of a node's cores go together into one CPU set."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from numalocal.idset import IdSet
from numalocal.machine.model import KINDS, Core, Kind, Machine
from numalocal.sets.pools import Pool

Run = Sequence[Core]
"""Cores of one set, or what is left to cut."""


class FreeCores(NamedTuple):
    """Free cores of one node that are alike and near each other, by lowest CPU.

    They are of one kind and in one locality, or in none where that is None.
    """

    kind: Kind
    locality: int | None
    cores: Run


def cores_to_cut(machine: Machine, node: int) -> tuple[Core, ...]:
    """List the cores of a node that this process may use a CPU of, by lowest CPU.

    One that is offline as a whole counts, so that its absence renames no set, unless the process
    is confined: nothing tells then to whom it would belong.
    """
    confined = machine.allowed != machine.online
    return tuple(
        core
        for core in machine.cores_of(node)
        if not core.cpus.isdisjoint(machine.allowed)
        or (not confined and core.cpus.isdisjoint(machine.online))
    )


def free_cores(machine: Machine, cores: Run, reserve: int) -> list[FreeCores]:
    """Sort a node's cores that sets can have: the fastest kind first, then by lowest CPU.

    `reserve` of them stay shared: the lowest, from as few localities as can be, so that the
    kernel's CPU 0 stays shared and other L3 caches stay whole.
    """
    sorted_out: dict[tuple[Kind, int | None], list[Core]] = defaultdict(list)
    for core, locality in zip(cores, _localities(machine, cores), strict=True):
        sorted_out[core.kind or KINDS[0], locality].append(core)
    free = []
    for (kind, locality), members in sorted_out.items():  # by lowest CPU, as the cores are
        kept = members[reserve:]
        reserve -= len(members) - len(kept)
        free.append(FreeCores(kind=kind, locality=locality, cores=kept))
    return sorted(free, key=lambda one: KINDS.index(one.kind))


def _localities(machine: Machine, cores: Sequence[Core]) -> list[int | None]:
    """Give each core's locality, by its index in the machine's list.

    A core that is offline as a whole is on no list.  It goes to the neighbour's that has fewer
    cores: caches of one node are alike.
    """
    index_of = {cpu: index for index, near in enumerate(machine.localities) for cpu in near}
    found = [next((index_of[cpu] for cpu in core.cpus if cpu in index_of), None) for core in cores]
    for number, core in enumerate(cores):
        if found[number] is None and core.cpus.isdisjoint(machine.online):
            before = next((one for one in reversed(found[:number]) if one is not None), None)
            after = next((one for one in found[number + 1 :] if one is not None), before)
            known = [one for one in (before, after) if one is not None]
            found[number] = min(known, key=found.count, default=None)
    return found


def without(free: Iterable[FreeCores], taken: Iterable[IdSet]) -> list[FreeCores]:
    """Take cores, named by their CPUs, out of the free ones."""
    gone = set(taken)
    return [
        FreeCores(
            kind=one.kind,
            locality=one.locality,
            cores=[core for core in one.cores if core.cpus not in gone],
        )
        for one in free
    ]


def runs(pool: Pool, free: Iterable[FreeCores]) -> Iterator[Run]:
    """Cut a node's free cores into the runs that make a pool's sets."""
    usable = [one for one in free if one.cores and pool.core_kind in (None, one.kind)]
    match pool.size:
        case "numa":
            if usable:
                yield [core for one in usable for core in one.cores]
        case "l3":
            yield from (one.cores for one in usable if one.locality is not None)
        case size:
            for kind in KINDS:
                yield from _cut([one.cores for one in usable if one.kind == kind], size)


def _cut(wholes: Iterable[Run], size: int) -> Iterator[Run]:
    """Cut runs of near cores into as many of one size as there can be, each within one if it fits.

    What is left over is joined, the longest first, so that a set touches few localities.
    """
    left: list[Run] = []
    for run in wholes:
        whole = len(run) - len(run) % size
        yield from (run[start : start + size] for start in range(0, whole, size))
        left.append(run[whole:])
    rest = [core for run in sorted(left, key=len, reverse=True) for core in run]
    yield from (rest[start : start + size] for start in range(0, len(rest) - size + 1, size))
