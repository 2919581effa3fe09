"""The rules of CPU sets on real machines: every capture, and the simulated ones beside them."""

from functools import cache
from itertools import chain, combinations

import pytest

from captured import TRUTHS, unpacked
from numalocal.engines.compute import compute_cpus
from numalocal.errors import PoolUnmet
from numalocal.idset import union
from numalocal.machine.discovery import discover
from numalocal.machine.model import Machine
from numalocal.machine.sysfs import Sysfs
from numalocal.sets.assignment import Assignment
from numalocal.sets.partition import Partition, partition
from numalocal.sets.pools import PREFERENCES, Pool, Preference, Size, default_pools
from numalocal.sets.preference import prefer
from simulated import MACHINES, written

NAMES = [*TRUTHS, *MACHINES]
SIZES: list[Size] = ["numa", "l3", 1, 4]


@cache
def machine_named(name: str) -> Machine:
    return discover(Sysfs(unpacked(name) if name in TRUTHS else written(MACHINES[name])))


def cut(name: str, size: Size) -> Partition | None:
    try:
        return partition(machine_named(name), [Pool(name="cpuset", size=size)])
    except PoolUnmet:
        return None


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_sets_keep_the_rules(name: str, size: Size) -> None:
    machine, made = machine_named(name), cut(name, size)
    if made is None:
        return

    owned = [cpu for one in made.sets for cpu in one.cpus]
    assert len(owned) == len(set(owned))
    assert made.shared
    assert made.shared == machine.allowed - set(owned)
    assert machine.allowed.first in made.shared
    for one in made.sets:
        cores = machine.cores_of_cpus(one.present)
        assert one.present == union(core.cpus for core in cores)
        assert one.cpus == one.present & machine.allowed
        assert {one.numa_node} == {core.numa_node for core in cores}
        assert size != "l3" or any(one.cpus <= near for near in machine.localities)
    for node in machine.nodes:
        promised = sum(one.memory_bytes for one in made.sets if one.numa_node == node.id)
        assert promised <= node.usable_memory_bytes


@pytest.mark.parametrize("name", NAMES)
def test_the_default_pool_suits_the_machine_or_says_why_not(name: str) -> None:
    machine = machine_named(name)
    most = max(len(machine.cores_of(node.id)) for node in machine.nodes)

    if most == 1:
        with pytest.raises(PoolUnmet, match=r"no NUMA node has at least 1 .*core left"):
            partition(machine, default_pools(machine))
        return

    made = partition(machine, default_pools(machine))
    assert {one.numa_node for one in made.sets} <= {node.id for node in machine.nodes if node.cpus}
    assert len(made.sets) == len({one.numa_node for one in made.sets})


@pytest.mark.parametrize("placement", PREFERENCES)
@pytest.mark.parametrize("name", NAMES)
def test_a_replica_gets_its_ranks_and_their_compute_cpus(name: str, placement: Preference) -> None:
    machine, made = machine_named(name), cut(name, 1)
    sets = [] if made is None else [one for one in made.sets if one.cpus <= machine.online]
    if len(sets) < 2:
        return

    chosen = prefer(sets, size=2, machine=machine, placement=placement)
    computing = compute_cpus(Assignment(chosen), machine, 0)

    nodes = {one.numa_node for one in sets}
    used = {one.numa_node for one in chosen}
    pairs = any(one.numa_node == other.numa_node for one, other in combinations(sets, 2))
    assert len(used) == (min(2, len(nodes)) if placement == "Spread" else 1 if pairs else 2)
    assert all(cpus and cpus <= one.cpus for one, cpus in zip(chosen, computing, strict=True))
    assert len(set(chain.from_iterable(computing))) == sum(map(len, computing))
