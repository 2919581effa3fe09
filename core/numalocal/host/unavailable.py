"""Why a worker cannot have its CPU sets: the numbers, what stands in the way, what would help."""

from collections.abc import Collection, Iterator

from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine
from numalocal.sets.cpusets import CpuSet
from numalocal.sets.near import named, of_devices
from numalocal.sets.partition import Partition
from numalocal.sets.setstate import SetState, state, why_not
from numalocal.worker.spec import Worker


def sentence(worker: Worker, machine: Machine, partition: Partition, held: IdSet) -> str:
    """Say it in one sentence; `held` are CPUs of other runs."""
    sets = partition.of_pool(worker.pool)
    far = [one for one in sets if not named(one, machine, worker.memory.nodes)]
    near = [one for one in sets if one not in far]
    wanted, free = worker.replicas * worker.ranks, len(_of(SetState.FREE, near, machine, held))
    asked = "1 CPU set is" if wanted == 1 else f"{wanted} CPU sets are"
    given = f"{free} {'is' if free == 1 else 'are'} free of the {len(sets)} of pool {worker.pool}"
    causes = [*_causes(sets, machine, held)]
    hints = [_help(worker, near, machine, held)] if near else []
    if far:
        causes += _tierless(far, worker, machine)
        hints.insert(0, f"ask for other nodes than {worker.memory.nodes} (spec.memory.nodes)")
    why = f": {'; '.join(causes)}" if causes else ""
    return f"{asked} asked for, {given}{why}; {', or '.join(hints)}"


def _tierless(sets: Collection[CpuSet], worker: Worker, machine: Machine) -> Iterator[str]:
    """Say why sets have none of the memory-only nodes that are asked for."""
    everywhere = machine.unconfined()
    there = {one: named(one, everywhere, worker.memory.nodes) for one in sets}
    if barred := union(there.values()):
        yield f"memory of node {barred} is not allowed"
    if nodes := IdSet.of(one.numa_node for one, near in there.items() if not near):
        yield f"no memory-only node is near NUMA node {nodes}{of_devices(machine)}"


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


def _help(worker: Worker, sets: Collection[CpuSet], machine: Machine, held: IdSet) -> str:
    """Say what is enough by itself, the least effort first, and what can be asked for less."""
    wanted = worker.replicas * worker.ranks
    free, used, offline = (
        len(_of(which, sets, machine, held))
        for which in (SetState.FREE, SetState.USED, SetState.OFFLINE)
    )
    enough = []
    if used >= wanted - free:
        enough.append("wait for another run to end")
    if offline >= wanted - free:
        enough.append("bring the CPUs online")
    if wanted > 1:
        enough.append(lower(worker))
    if wanted > len(sets):
        enough.append("cut smaller sets (pools[].size)")
    return ", or ".join(enough) or "take another pool"


def lower(worker: Worker) -> str:
    """Say of what a worker can ask for fewer: replicas, ranks or both; empty where it has one."""
    fields = {"spec.replicas": worker.replicas, "spec.ranks": worker.ranks}
    many = [field for field, number in fields.items() if number > 1]
    return f"lower {' or '.join(many)}" if many else ""
