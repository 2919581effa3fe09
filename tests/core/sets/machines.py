"""Machines with memory-only nodes, drawn and real."""

from collections.abc import Mapping, Sequence
from functools import cache

from hypothesis import strategies as st

from captured import TRUTHS, unpacked
from numalocal.idset import IdSet
from numalocal.machine.discovery import discover
from numalocal.machine.model import Machine, NumaNode
from numalocal.machine.sysfs import Sysfs
from numalocal.sets.cpusets import CpuSet
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool
from simulated import MACHINES, written

from ..conftest import GIB, make_machine


@cache
def machine_named(name: str) -> Machine:
    return discover(Sysfs(unpacked(name) if name in TRUTHS else written(MACHINES[name])))


def sets_of(machine: Machine, cores: int = 1) -> tuple[CpuSet, ...]:
    return partition(machine, [Pool(name="cpuset", size=cores, reserve=0)]).sets


def first_set_on(machine: Machine, node: int) -> CpuSet:
    return next(one for one in sets_of(machine) if one.numa_node == node)


def tiered(
    *, cpu_nodes: int, sizes: Sequence[int], far: Mapping[tuple[int, int], int], cores: int = 2
) -> Machine:
    """Give nodes so many GiB; those after `cpu_nodes` have no CPU.  `far` counts both ways."""
    made = make_machine(nodes=cpu_nodes, cores=cores, threads=1)
    both = {**far, **{(other, one): distance for (one, other), distance in far.items()}}
    ids = range(len(sizes))
    nodes = tuple(
        NumaNode(
            id=one,
            cpus=made.nodes[one].cpus if one < cpu_nodes else IdSet(),
            memory_bytes=size * GIB,
            distances={other: both[one, other] for other in ids if (one, other) in both},
        )
        for one, size in enumerate(sizes)
    )
    return made._replace(nodes=nodes, allowed_nodes=IdSet.of(ids))


@st.composite
def tiered_machines(draw: st.DrawFn) -> Machine:
    """Draw nodes with and without CPUs, memory, distances, and leave to use them."""
    cpu_nodes, tiers = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    count = cpu_nodes + tiers
    sizes = draw(st.lists(st.sampled_from([0, 1, 4, 16]), min_size=count, max_size=count))
    steps = draw(st.lists(st.sampled_from([12, 20, 32]), min_size=49, max_size=49))
    pairs = [(one, other) for one in range(count) for other in range(one)]
    known = draw(st.booleans())
    far = {(one, other): steps[7 * one + other] for one, other in pairs} if known else {}
    made = tiered(cpu_nodes=cpu_nodes, sizes=[16, *sizes[1:]], far=far)
    packages = draw(st.lists(st.sampled_from([None, 0, 1]), min_size=4, max_size=4))
    made = made._replace(
        cores=tuple(core._replace(package=packages[core.numa_nodes.first]) for core in made.cores)
    )
    brought = draw(st.sets(st.integers(cpu_nodes, count)))
    made = made._replace(
        nodes=tuple(node._replace(movable=node.id in brought) for node in made.nodes)
    )
    if draw(st.booleans()):
        left = draw(st.sets(st.sampled_from(range(count)), min_size=1))
        made = made._replace(allowed_nodes=IdSet.of(left | {0}))
    return made
