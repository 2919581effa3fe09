import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.errors import SetsUnavailable
from numalocal.partition import partition
from numalocal.pools import Pool
from numalocal.preference import prefer

from .conftest import MachineMaker, make_machine

ONE_CORE = [Pool(name="cpuset", size=1)]


@given(
    nodes=st.integers(1, 4),
    cores=st.integers(2, 6),
    size=st.integers(1, 8),
    pick=st.randoms(use_true_random=False),
)
def test_a_replica_touches_as_many_nodes_as_it_can(
    nodes: int, cores: int, size: int, pick: object
) -> None:
    machine = make_machine(nodes=nodes, cores=cores)
    sets = partition(machine, ONE_CORE).sets
    if size > len(sets):
        return

    chosen = prefer(sets, size=size, machine=machine)

    assert size == len(set(chosen))
    assert min(size, nodes) == len({one.numa_node for one in chosen})


def test_what_must_be_included_is(machine: MachineMaker) -> None:
    made = machine(nodes=2, cores=4)
    sets = partition(made, ONE_CORE).sets

    chosen = prefer(sets, must_include=[sets[2]], size=2, machine=made)

    assert sets[2] in chosen
    assert {0, 1} == {one.numa_node for one in chosen}


def test_one_rank_goes_where_least_is_left(machine: MachineMaker) -> None:
    made = machine(nodes=2, cores=4)
    first, *rest = partition(made, ONE_CORE).sets

    (chosen,) = prefer(rest, size=1, machine=made)

    assert first.numa_node == chosen.numa_node


def test_ranks_come_in_rank_order(machine: MachineMaker) -> None:
    made = machine(nodes=2, cores=3)
    sets = partition(made, ONE_CORE).sets

    chosen = prefer(sets[::-1], size=4, machine=made)

    assert [one.numa_node for one in chosen] == [0, 0, 1, 1]


def test_too_few_free_sets_is_told_with_the_numbers(machine: MachineMaker) -> None:
    made = machine()

    with pytest.raises(SetsUnavailable, match="3 CPU sets are asked for, 2 are free"):
        prefer(partition(made, ONE_CORE).sets, size=3, machine=made)
