"""Why a worker cannot have its CPU sets: the numbers, what stands in the way, what would help."""

from collections.abc import Collection, Iterator

from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine
from numalocal.sets.cpusets import CpuSet
from numalocal.sets.partition import Partition
from numalocal.sets.setstate import SetState, state, why_not
from numalocal.worker.spec import Worker

_FEWER = "lower spec.replicas or spec.ranks"


def sentence(worker: Worker, machine: Machine, partition: Partition, held: IdSet) -> str:
    """Say it in one sentence; `held` are CPUs of other runs."""
    sets = partition.of_pool(worker.pool)
    wanted, free = worker.replicas * worker.ranks, len(_of(SetState.FREE, sets, machine, held))
    asked = "1 CPU set is" if wanted == 1 else f"{wanted} CPU sets are"
    given = f"{free} {'is' if free == 1 else 'are'} free of the {len(sets)} of pool {worker.pool}"
    causes = "; ".join(_causes(sets, machine, held))
    why = f": {causes}" if causes else ""
    return f"{asked} asked for, {given}{why}; {_help(wanted, sets, machine, held)}"


def _of(which: SetState, sets: Collection[CpuSet], machine: Machine, held: IdSet) -> list[CpuSet]:
    used = {one.id for one in sets if not one.cpus.isdisjoint(held)}
    return [one for one in sets if state(one, machine, used) is which]


def _causes(sets: Collection[CpuSet], machine: Machine, held: IdSet) -> Iterator[str]:
    """Give each thing that stands in the way of some sets, or made them few."""
    if used := _of(SetState.USED, sets, machine, held):
        cpus = union(one.cpus for one in used) & held
        yield f"CPU {cpus} is held by other runs"
    broken = _of(SetState.OFFLINE, sets, machine, held)
    if offline := union(one.missing for one in broken) & machine.offline:
        yield f"CPU {offline} is offline"
    others = [one for one in broken if one.missing.isdisjoint(machine.offline)]
    others += _of(SetState.NOT_ALLOWED, sets, machine, held)
    yield from dict.fromkeys(why_not(one, machine) for one in others)
    if machine.confinement:
        yield machine.confinement


def _help(wanted: int, sets: Collection[CpuSet], machine: Machine, held: IdSet) -> str:
    """Say what is enough by itself, the least effort first; where nothing is, ask for less."""
    short = wanted - len(_of(SetState.FREE, sets, machine, held))
    used, offline = (
        len(_of(which, sets, machine, held)) for which in (SetState.USED, SetState.OFFLINE)
    )
    if used >= short:
        return f"wait for another run to end, or {_FEWER}"
    if offline >= short:
        return f"bring the CPUs online, or {_FEWER}"
    if wanted > len(sets):
        return f"{_FEWER}, or cut smaller sets (pools[].size)"
    return _FEWER
