"""What the words of `memory.nodes` mean, on real machines and on any."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.errors import MemoryUnreachable
from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine
from numalocal.sets.near import MemoryNodes, farther, lenders, named
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool

from ..conftest import make_machine
from .machines import first_set_on, machine_named, tiered, tiered_machines

L, N, M, P, A = MemoryNodes


@pytest.mark.parametrize(
    ("name", "node", "meant"),
    [
        pytest.param("cxl", 0, {L: "0", N: "0,2", M: "2", P: "0,2", A: "0-2"}, id="CXL of node 0"),
        pytest.param("cxl", 1, {L: "1", N: "1", M: "", P: "1", A: "0-2"}, id="and not of node 1"),
        pytest.param(
            "xeon-max-hbm", 1, {L: "1", N: "1,5", M: "5", P: "0-7", A: "0-7"}, id="HBM of each node"
        ),
        pytest.param("epyc-nps4", 5, {L: "5", N: "5", M: "", P: "4-7", A: "0-7"}, id="NPS4"),
        pytest.param("xeon-snc4", 0, {L: "0", N: "0", M: "", P: "0-3", A: "0-7"}, id="SNC4"),
        pytest.param(
            "fakememinitiators-1npc_1npc",
            2,
            {L: "2", N: "2,5", M: "5", P: "2-3,5", A: "0-5"},
            id="one for each package",
        ),
        pytest.param("32ppc-4n4c2c", 2, {L: "2", N: "2", M: "", P: "2", A: "0-3"}, id="no package"),
    ],
)
def test_words_on_machines_of_the_field(
    name: str, node: int, meant: dict[MemoryNodes, str]
) -> None:
    machine = machine_named(name)
    one = first_set_on(machine, node)

    assert {word: str(named(one, machine, word)) for word in MemoryNodes} == meant


def test_a_tier_as_near_to_all_is_near_to_all() -> None:
    machine = tiered(cpu_nodes=2, sizes=[8, 8, 64], far={})

    assert [str(named(first_set_on(machine, node), machine, N)) for node in (0, 1)] == [
        "0,2",
        "1-2",
    ]


def test_memory_of_a_device_and_of_a_node_without_any_is_no_tier() -> None:
    machine = tiered(cpu_nodes=1, sizes=[8, 0, 64, 64], far={})
    nodes = tuple(node._replace(device_memory=node.id == 2) for node in machine.nodes)
    machine = machine._replace(nodes=nodes)

    assert str(named(first_set_on(machine, 0), machine, M)) == "3"


def test_a_node_whose_cpus_are_offline_is_not_memory_only() -> None:
    machine = make_machine(nodes=2).with_online(IdSet.parse("0-3"))
    nodes = (machine.nodes[0], machine.nodes[1]._replace(cpus=IdSet()))
    machine = machine._replace(nodes=nodes)
    one = first_set_on(machine, 0)

    assert (str(named(one, machine, N)), str(named(one, machine, A))) == ("0", "0-1")


def test_a_set_without_memory_of_its_own_has_the_nearest_and_its_tier() -> None:
    far = {(0, 1): 12, (0, 2): 20, (1, 2): 20}
    machine = tiered(cpu_nodes=2, sizes=[0, 8, 64], far=far)

    one = first_set_on(machine, 0)

    assert [str(named(one, machine, word)) for word in MemoryNodes] == [
        "1",
        "1-2",
        "2",
        "1-2",
        "1-2",
    ]


def test_where_no_node_with_cpus_has_memory_the_tier_is_all_there_is() -> None:
    """As in a logical partition of POWER whose memory comes from other nodes than its cores."""
    machine = tiered(cpu_nodes=1, sizes=[0, 8, 5, 1], far={})
    one = first_set_on(machine, 0)

    assert {str(named(one, machine, word)) for word in MemoryNodes} == {"1-3"}


def test_a_node_that_is_not_there_is_told() -> None:
    one = first_set_on(make_machine(), 1)._replace(numa_node=7)

    with pytest.raises(MemoryUnreachable, match="is on NUMA node 7, which this machine does not"):
        named(one, make_machine(), MemoryNodes.NEAR)


@given(tiered_machines())
def test_each_word_holds_those_before_it_and_nothing_but_lenders(machine: Machine) -> None:
    for one in partition(machine, [Pool(name="cpuset", size=1, reserve=0)]).sets:
        meant = {word: named(one, machine, word) for word in MemoryNodes}

        assert meant[L] == one.memory_nodes
        assert meant[L] <= meant[N] <= meant[P] <= meant[A]
        assert meant[N] == meant[L] | meant[M]
        assert meant[M].isdisjoint(machine.cpu_nodes)
        assert meant[A] - meant[L] <= lenders(machine)


@given(tiered_machines())
def test_every_tier_is_near_some_node_with_cpus(machine: Machine) -> None:
    sets = partition(machine, [Pool(name="cpuset", size=1, reserve=0)]).sets

    if IdSet.of(one.numa_node for one in sets) == machine.cpu_nodes:
        near = union(named(one, machine, M) for one in sets)
        assert near == lenders(machine) - machine.cpu_nodes


@given(tiered_machines(), st.data())
def test_what_is_added_is_all_of_the_nearest_and_at_last_everything(
    machine: Machine, data: st.DataObject
) -> None:
    sets = partition(machine, [Pool(name="cpuset", size=1, reserve=0)]).sets
    one = data.draw(st.sampled_from(sets))
    distance, nodes = machine.node(one.numa_node).distance, one.memory_nodes

    while (more := farther(one, machine, nodes)) != nodes:
        assert more > nodes
        assert len({distance(node) for node in more - nodes}) == 1
        left = lenders(machine) - more
        assert all(distance(node) > distance((more - nodes).first) for node in left)
        nodes = more
    assert nodes >= lenders(machine)
