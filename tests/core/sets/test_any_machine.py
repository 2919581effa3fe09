"""What holds of every partition: CPUs offline, not allowed, nodes without memory, all at once."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from numalocal.errors import PoolUnmet
from numalocal.idset import IdSet, union
from numalocal.machine.model import KINDS, Machine
from numalocal.sets.document import document
from numalocal.sets.partition import Partition, partition
from numalocal.sets.pools import Pool
from numalocal.sets.setstate import SetState, state, why_not

from ..conftest import GIB, make_machine


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    """Draw machines of 1 to 5 nodes, hybrid or not, with caches or not."""
    made = make_machine(
        nodes=draw(st.integers(1, 5)),
        cores=draw(st.integers(1, 8)),
        threads=draw(st.sampled_from([1, 2, 4, 8])),
        l3=draw(st.sampled_from([None, 2, 3, 4])),
    )
    slow = draw(st.sets(st.sampled_from(range(len(made.cores))))) if draw(st.booleans()) else set()
    memory = draw(st.lists(st.sampled_from([0, 1, 5, 64]), min_size=5, max_size=5))
    huge = draw(st.integers(0, 2))
    made = made._replace(
        cores=tuple(
            core._replace(kind=KINDS[place in slow] if slow else None)
            for place, core in enumerate(made.cores)
        ),
        nodes=tuple(
            node._replace(memory_bytes=memory[node.id] * GIB, huge_page_bytes=huge * GIB)
            for node in made.nodes
        ),
    )
    if draw(st.booleans()):
        online = draw(st.sets(st.sampled_from([*made.online]), min_size=1))
        made = made.with_online(IdSet.of(online))
    if draw(st.booleans()):
        allowed = draw(st.sets(st.sampled_from([*made.online]), min_size=1))
        nodes = draw(st.sets(st.sampled_from([*made.allowed_nodes]), min_size=1))
        made = made._replace(allowed=IdSet.of(allowed), allowed_nodes=IdSet.of(nodes))
    return made


pools_of_a_file = st.lists(
    st.builds(
        Pool,
        name=st.sampled_from(["a", "b", "c"]),
        size=st.sampled_from([1, 2, 3, "numa", "l3"]),
        reserve=st.integers(0, 3),
        nodes=st.none() | st.builds(IdSet, st.sets(st.integers(0, 5), min_size=1)),
        core_kind=st.none() | st.sampled_from(KINDS),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda pool: pool.name,
)


def cut_or_none(machine: Machine, pools: list[Pool]) -> Partition | None:
    try:
        return partition(machine, pools)
    except PoolUnmet:
        return None


@given(machine=machines(), pools=pools_of_a_file)
def test_sets_are_disjoint_and_what_their_cores_have_online_and_allowed(
    machine: Machine, pools: list[Pool]
) -> None:
    cut = cut_or_none(machine, pools)
    if cut is None:
        return

    assert all(one.present.isdisjoint(other.present) for one, other in combinations(cut.sets, 2))
    assert cut.shared == machine.allowed - union(one.cpus for one in cut.sets)
    assert len({one.id for one in cut.sets}) == len(cut.sets)
    for one in cut.sets:
        cores = machine.cores_of_cpus(one.present)
        given_cores = machine.cores_of_cpus(one.cpus)
        assert one.present == union(core.cpus for core in cores)
        assert one.cpus == union(core.cpus for core in given_cores) & machine.allowed
        assert {core.numa_node for core in cores} == {one.numa_node}
        size = cut.pool(one.pool).size
        assert bool(one.missing) == (len(given_cores) < (size if isinstance(size, int) else 1))


@given(machine=machines(), pools=pools_of_a_file)
def test_something_stays_shared_wherever_a_pool_reserves_a_core(
    machine: Machine, pools: list[Pool]
) -> None:
    cut = cut_or_none(machine, pools)
    if cut is None:
        return

    given_cpus = union(one.cpus for one in cut.sets)
    for node in machine.nodes:
        ours = [pool for pool in pools if pool.cuts(node.id)]
        cores = [core for core in machine.cores_of(node.id) if core.cpus & machine.online]
        if ours and all(pool.reserve for pool in ours) and cores:
            assert any(core.cpus.isdisjoint(given_cpus) for core in cores) or (
                # The only core that a confined process may use.
                machine.allowed != machine.online
                and sum(not core.cpus.isdisjoint(machine.allowed) for core in cores) == 1
            )


@given(machine=machines(), pools=pools_of_a_file, data=st.data())
def test_ids_of_a_whole_machine_depend_on_no_cpu_that_goes_or_comes(
    machine: Machine, pools: list[Pool], data: st.DataObject
) -> None:
    whole = machine.unconfined()
    before = cut_or_none(whole, pools)
    present = [*(whole.online | whole.offline)]
    online = data.draw(st.sets(st.sampled_from(present), min_size=1))
    after = cut_or_none(whole.with_online(IdSet.of(online)), pools)

    if before is not None:
        assert after is not None
        named = [(one.id, one.present) for one in before.sets]
        assert named == [(one.id, one.present) for one in after.sets]


@given(machine=machines(), pools=pools_of_a_file)
def test_memory_is_promised_once_and_from_nodes_that_have_some(
    machine: Machine, pools: list[Pool]
) -> None:
    cut = cut_or_none(machine, pools)
    if cut is None:
        return

    for sources in {one.memory_nodes for one in cut.sets}:
        takers = [one for one in cut.sets if one.memory_nodes <= sources]
        usable = sum(machine.node(node).usable_memory_bytes for node in sources)
        assert sum(one.memory_bytes for one in takers) <= usable
        assert all(machine.node(node).memory_bytes for node in sources)


@given(machine=machines(), pools=pools_of_a_file)
def test_what_is_told_free_is_free_and_all_else_has_a_reason(
    machine: Machine, pools: list[Pool]
) -> None:
    cut = cut_or_none(machine, pools)
    if cut is None:
        return

    for one in cut.sets:
        free = state(one, machine) is SetState.FREE
        assert free == (not why_not(one, machine))
        assert not free or (one.cpus and one.memory_nodes <= machine.allowed_nodes)
    told = document(machine, cut, ())["sets"]
    assert isinstance(told, list)
    assert [one["state"] for one in told] == [state(one, machine).value for one in cut.sets]
