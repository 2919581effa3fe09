"""Which nodes a container's ranks get, and by which policy."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.errors import MemoryUnreachable
from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment
from numalocal.sets.memoryask import MemoryAsk, MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes, farther, lenders, named
from numalocal.sets.reach import Reach, reach, reach_bytes, reach_together

from ..conftest import GIB, make_machine
from .machines import first_set_on, machine_named, sets_of, tiered, tiered_machines

BIND, PREFERRED, INTERLEAVE, WEIGHTED = MemoryPolicy
LOCAL, NEAR, MEMORY_ONLY, PACKAGE, ANY = MemoryNodes


def of(machine: Machine, *nodes: int) -> Assignment:
    """Give one set of each node; of equal ones the next."""
    sets = sets_of(machine)
    taken = []
    for node in nodes:
        taken.append(next(one for one in sets if one.numa_node == node and one not in taken))
    return Assignment.of(taken)


def got(reached: Reach) -> tuple[str, str, str, list[str]]:
    return (
        str(reached.mems),
        str(reached.policy),
        str(reached.policy_nodes),
        [str(one) for one in reached.rank_mems],
    )


TIERED = tiered(cpu_nodes=2, sizes=[8, 8, 64], far={(0, 1): 21, (0, 2): 14, (1, 2): 24})
"""Two nodes of one package each, and CXL beside the first."""


@pytest.mark.parametrize(
    ("policy", "nodes", "expected"),
    [
        (BIND, LOCAL, ("0", "Bind", "", ["0"])),
        (BIND, NEAR, ("0,2", "Bind", "", ["0,2"])),
        (BIND, MEMORY_ONLY, ("2", "Bind", "", ["2"])),
        (BIND, ANY, ("0-2", "Bind", "", ["0-2"])),
        (PREFERRED, LOCAL, ("0-2", "Preferred", "0", ["0"])),
        (PREFERRED, NEAR, ("0-2", "Preferred", "0,2", ["0,2"])),
        (PREFERRED, MEMORY_ONLY, ("0-2", "Preferred", "2", ["2"])),
        (INTERLEAVE, NEAR, ("0,2", "Interleave", "0,2", ["0,2"])),
        (WEIGHTED, NEAR, ("0,2", "WeightedInterleave", "0,2", ["0,2"])),
        (WEIGHTED, ANY, ("0-2", "WeightedInterleave", "0-2", ["0-2"])),
    ],
)
def test_policies_and_nodes(
    policy: MemoryPolicy, nodes: MemoryNodes, expected: tuple[str, str, str, list[str]]
) -> None:
    reached = reach(of(TIERED, 0), TIERED, MemoryAsk(policy=policy, nodes=nodes), None)

    assert got(reached) == expected
    assert (reached.overflowed, reached.notes) == (False, ())


def test_ranks_of_one_container_share_the_nodes_of_all_and_know_their_own() -> None:
    reached = reach(of(TIERED, 0, 1), TIERED, MemoryAsk(INTERLEAVE, LOCAL), None)

    assert got(reached) == ("0-1", "Interleave", "0-1", ["0", "1"])
    assert reached.environment() == {
        "NUMALOCAL_MEMS": "0-1",
        "NUMALOCAL_RANK_MEMS": "0|1",
        "NUMALOCAL_MEMORY_POLICY": "interleave",
        "NUMALOCAL_MEMORY_POLICY_NODES": "0-1",
    }


@pytest.mark.parametrize(
    ("policy", "nodes", "note"),
    [
        (INTERLEAVE, LOCAL, "Interleave is not set, as all memory is taken from NUMA node 0"),
        (WEIGHTED, LOCAL, "WeightedInterleave is not set, as all memory is taken from NUMA node 0"),
        (PREFERRED, ANY, "Preferred is not set, as no node lends memory but NUMA nodes 0-2"),
    ],
)
def test_a_policy_that_would_change_nothing_is_not_set_and_told(
    policy: MemoryPolicy, nodes: MemoryNodes, note: str
) -> None:
    reached = reach(of(TIERED, 0), TIERED, MemoryAsk(policy, nodes), None)

    assert (reached.policy, str(reached.policy_nodes)) == (BIND, "")
    assert reached.notes == (f"memory policy {note}",)
    assert reached.environment().keys() == {"NUMALOCAL_MEMS", "NUMALOCAL_RANK_MEMS"}


def test_a_tier_that_is_not_there_is_told_with_the_set() -> None:
    with pytest.raises(MemoryUnreachable) as refused:
        reach(of(TIERED, 0, 1), TIERED, MemoryAsk(nodes=MEMORY_ONLY), None)

    assert str(refused.value) == (
        "CPU set cpuset-n1-c2x1 has no memory-only node near its NUMA node 1: ask for other nodes "
        "than MemoryOnly"
    )


def test_memory_that_is_a_devices_is_told_where_a_tier_is_asked_for() -> None:
    nodes = tuple(node._replace(device_memory=node.id == 2) for node in TIERED.nodes)

    with pytest.raises(MemoryUnreachable, match=r"node 0 \(memory of node 2 is a device's\): ask"):
        reach(of(TIERED, 0), TIERED._replace(nodes=nodes), MemoryAsk(nodes=MEMORY_ONLY), None)


OVERFLOW = MemoryAsk(on_overflow=Overflow.INTERLEAVE)


@pytest.mark.parametrize(
    ("gib", "expected"),
    [
        pytest.param(8, ("0", "Bind", "", ["0"]), id="it holds the rank"),
        pytest.param(9, ("0,2", "Interleave", "0,2", ["0,2"]), id="the nearest is added"),
        pytest.param(73, ("0-2", "Interleave", "0-2", ["0-2"]), id="and the next"),
        pytest.param(81, ("0", "Bind", "", ["0"]), id="all do not hold it: the check refuses"),
    ],
)
def test_overflow_widens_by_distance(gib: int, expected: tuple[str, str, str, list[str]]) -> None:
    reached = reach(of(TIERED, 0), TIERED, OVERFLOW, gib * GIB)

    assert got(reached) == expected
    assert reached.overflowed == (reached.policy is INTERLEAVE)
    assert reached.environment().get("NUMALOCAL_MEMORY_OVERFLOW") == (
        "1" if reached.overflowed else None
    )


def test_overflow_is_told_with_its_sizes() -> None:
    assert reach(of(TIERED, 0), TIERED, OVERFLOW, 9 * GIB).notes == (
        "9.0 GiB for each rank is more than NUMA node 0 can hold: pages are interleaved over NUMA "
        "nodes 0,2",
    )


def test_ranks_that_share_a_node_overflow_together() -> None:
    machine = make_machine()

    assert got(reach(of(machine, 0, 0), machine, OVERFLOW, 5 * GIB)) == (
        "0-1",
        "Interleave",
        "0-1",
        ["0-1", "0-1"],
    )
    assert not reach(of(machine, 0, 1), machine, OVERFLOW, 5 * GIB).overflowed


def test_a_rank_that_fits_keeps_its_own_nodes() -> None:
    machine = tiered(cpu_nodes=2, sizes=[8, 64], far={})
    reached = reach(of(machine, 0, 1), machine, OVERFLOW, 9 * GIB)

    assert [str(one) for one in reached.rank_mems] == ["0-1", "1"]
    assert reached.notes == (
        "9.0 GiB for each rank is more than NUMA node 0 can hold: pages are interleaved over NUMA "
        "nodes 0-1",
    )


def test_containers_that_are_to_fit_together_overflow_together() -> None:
    machine = tiered(cpu_nodes=2, sizes=[8, 8, 64], far={(0, 1): 12, (0, 2): 24, (1, 2): 24})
    alone = [of(machine, node) for node in (0, 1)]

    assert [str(reach(one, machine, OVERFLOW, 9 * GIB).mems) for one in alone] == ["0-1", "0-1"]
    together = reach_together(alone, machine, OVERFLOW, 9 * GIB)
    assert [str(one.mems) for one in together] == ["0-2", "0-2"]
    assert reach_together([], machine, OVERFLOW, 9 * GIB) == ()


@pytest.mark.parametrize("nodes", [LOCAL, NEAR, PACKAGE])
def test_ranks_may_have_all_memory_where_every_node_is_preferred_by_one(nodes: MemoryNodes) -> None:
    machine = make_machine()

    reached = reach(of(machine, 0, 1), machine, MemoryAsk(PREFERRED, nodes), None)

    assert got(reached) == ("0-1", "Bind", "", ["0-1", "0-1"])
    assert not reached.overflowed


@pytest.mark.parametrize(
    ("ask", "policy"),
    [
        (MemoryAsk(WEIGHTED, LOCAL, Overflow.INTERLEAVE), WEIGHTED),
        (MemoryAsk(INTERLEAVE, LOCAL, Overflow.INTERLEAVE), INTERLEAVE),
        (MemoryAsk(BIND, MEMORY_ONLY, Overflow.INTERLEAVE), INTERLEAVE),
    ],
)
def test_overflow_keeps_the_weights_that_were_asked_for(
    ask: MemoryAsk, policy: MemoryPolicy
) -> None:
    assert reach(of(TIERED, 0), TIERED, ask, 70 * GIB).policy is policy


def test_preferred_never_overflows_as_it_may_take_from_everywhere() -> None:
    ask = MemoryAsk(PREFERRED, LOCAL, Overflow.INTERLEAVE)

    assert got(reach(of(TIERED, 0), TIERED, ask, 70 * GIB)) == ("0-2", "Preferred", "0", ["0"])


@pytest.mark.parametrize("node", range(8))
def test_on_a_symmetrical_machine_overflow_is_symmetrical(node: int) -> None:
    machine = machine_named("epyc-nps4")
    bytes_ = machine.node(node).usable_memory_bytes + (1 << 20)

    reached = reach(of(machine, node), machine, OVERFLOW, bytes_)

    assert str(reached.mems) == ("0-3" if node < 4 else "4-7")


def test_what_each_word_reaches_is_the_most_of_any_set() -> None:
    assert reach_bytes(sets_of(TIERED), TIERED) == {
        LOCAL: 8 * GIB,
        NEAR: 72 * GIB,
        MEMORY_ONLY: 64 * GIB,
        PACKAGE: 72 * GIB,
        ANY: 80 * GIB,
    }
    assert reach_bytes((), TIERED) == dict.fromkeys(MemoryNodes, 0)


def test_a_node_that_does_not_tell_its_memory_leaves_out_what_has_it() -> None:
    machine = make_machine()
    nodes = (machine.nodes[0]._replace(memory_bytes=None), machine.nodes[1])
    machine = machine._replace(nodes=nodes)

    assert reach_bytes([first_set_on(machine, 1)], machine)[LOCAL] == 8 * GIB
    assert LOCAL not in reach_bytes(sets_of(machine), machine)
    assert not reach(of(machine, 0), machine, OVERFLOW, 1 << 50).overflowed


def movable(machine: Machine, *nodes: int) -> Machine:
    return machine._replace(
        nodes=tuple(node._replace(movable=node.id in nodes) for node in machine.nodes)
    )


@pytest.mark.parametrize(
    ("policy", "nodes", "expected"),
    [
        (BIND, MEMORY_ONLY, ("0,2", "Bind", "2", ["2"])),
        (BIND, NEAR, ("0,2", "Bind", "", ["0,2"])),
        (PREFERRED, MEMORY_ONLY, ("0-2", "Preferred", "2", ["2"])),
        (WEIGHTED, NEAR, ("0,2", "WeightedInterleave", "0,2", ["0,2"])),
    ],
)
def test_a_cpuset_is_never_of_movable_memory_alone(
    policy: MemoryPolicy, nodes: MemoryNodes, expected: tuple[str, str, str, list[str]]
) -> None:
    machine = movable(TIERED, 2)
    reached = reach(of(machine, 0), machine, MemoryAsk(policy, nodes), None)

    assert got(reached) == expected
    told = reached.environment()
    assert told.get("NUMALOCAL_MEMORY_POLICY_NODES", "") == expected[2]
    if policy is BIND and nodes is MEMORY_ONLY:
        assert told["NUMALOCAL_MEMORY_POLICY"] == "bind"


def test_pages_are_interleaved_over_movable_nodes_alone_beside_the_sets_own() -> None:
    machine = movable(tiered(cpu_nodes=1, sizes=[8, 16, 16], far={}), 1, 2)
    reached = reach(of(machine, 0), machine, MemoryAsk(INTERLEAVE, MEMORY_ONLY), None)

    assert got(reached) == ("0-2", "Interleave", "1-2", ["1-2"])


asks = st.builds(
    MemoryAsk,
    st.sampled_from(MemoryPolicy),
    st.sampled_from(MemoryNodes),
    st.sampled_from(Overflow),
)


@st.composite
def assigned(draw: st.DrawFn) -> tuple[Machine, Assignment]:
    machine = draw(tiered_machines())
    sets = sets_of(machine)
    taken = draw(st.lists(st.sampled_from(sets), min_size=1, max_size=4, unique=True))
    return machine, Assignment.of(taken)


def reached_or_none(
    made: tuple[Machine, Assignment], ask: MemoryAsk, per_rank_bytes: int | None
) -> Reach | None:
    machine, assignment = made
    try:
        return reach(assignment, machine, ask, per_rank_bytes)
    except MemoryUnreachable:
        assert ask.nodes is MEMORY_ONLY
        assert not all(named(one, machine, MEMORY_ONLY) for one in assignment.sets)
        return None


@given(assigned(), asks, st.none() | st.integers(1, 80 * GIB))
def test_nothing_is_reached_but_what_a_machine_lends(
    made: tuple[Machine, Assignment], ask: MemoryAsk, per_rank_bytes: int | None
) -> None:
    machine, assignment = made
    reached = reached_or_none(made, ask, per_rank_bytes)
    if reached is None:
        return

    assert reached.mems
    assert reached.mems <= lenders(machine) | assignment.mems
    assert union(reached.rank_mems) <= reached.mems
    assert reached.policy_nodes <= reached.mems
    nodes = [node for node in machine.nodes if node.id in reached.mems]
    assert not all(node.movable for node in nodes)
    if not any(node.movable for node in nodes):
        assert bool(reached.policy_nodes) == (reached.policy is not BIND)
    assert len(reached.rank_mems) == len(assignment.sets)
    assert all(reached.rank_mems)
    if reached.policy in (INTERLEAVE, WEIGHTED):
        assert len(reached.policy_nodes) > 1
        assert reached.mems - reached.policy_nodes <= assignment.mems
    if reached.policy is PREFERRED:
        assert reached.mems - reached.policy_nodes


@given(assigned(), st.none() | st.integers(1, 80 * GIB))
def test_whoever_asks_for_nothing_gets_the_memory_of_the_sets(
    made: tuple[Machine, Assignment], per_rank_bytes: int | None
) -> None:
    machine, assignment = made
    reached = reach(assignment, machine, MemoryAsk(), per_rank_bytes)

    assert (reached.mems, reached.policy, reached.notes) == (assignment.mems, BIND, ())
    assert reached.environment().items() <= assignment.environment().items()


@given(made=assigned(), ask=asks, per_rank_bytes=st.integers(1, 80 * GIB))
def test_overflow_never_goes_farther_than_it_must(
    made: tuple[Machine, Assignment], ask: MemoryAsk, per_rank_bytes: int
) -> None:
    machine, whole = made
    made = machine, Assignment(whole.sets[:1])
    reached = reached_or_none(made, ask, per_rank_bytes)
    if reached is None or not reached.overflowed:
        return

    (one,), (mems,) = made[1].sets, reached.rank_mems
    nodes = named(one, machine, ask.nodes)
    narrower = [nodes]
    while narrower[-1] != mems:
        narrower.append(farther(one, machine, narrower[-1]))
    held = [
        sum(machine.node(node).usable_memory_bytes for node in nodes) >= per_rank_bytes
        for nodes in narrower
    ]
    assert held == [False] * (len(held) - 1) + [True]


@given(made=assigned(), ask=asks, per_rank_bytes=st.integers(1, 80 * GIB))
def test_ranks_that_overflow_fit_together_and_all_others_keep_what_they_asked_for(
    made: tuple[Machine, Assignment], ask: MemoryAsk, per_rank_bytes: int
) -> None:
    machine, assignment = made
    reached = reached_or_none(made, ask, per_rank_bytes)
    if reached is None:
        return

    asked = tuple(named(one, machine, ask.nodes) for one in assignment.sets)
    if not reached.overflowed:
        assert reached.rank_mems == asked or ask.policy is PREFERRED
        return
    usable = {node.id: node.usable_memory_bytes for node in machine.nodes}
    for picked in product([False, True], repeat=len(asked)):
        ranks = [mems for mems, taken in zip(reached.rank_mems, picked, strict=True) if taken]
        assert len(ranks) * per_rank_bytes <= sum(usable[node] for node in union(ranks))
    assert all(old <= new for old, new in zip(asked, reached.rank_mems, strict=True))


def test_what_one_process_may_not_use_is_not_reached() -> None:
    machine = TIERED._replace(allowed_nodes=IdSet.of([0, 1]))

    assert str(reach(of(machine, 0), machine, MemoryAsk(nodes=ANY), None).mems) == "0-1"
