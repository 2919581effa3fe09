import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.errors import SetsUnavailable
from numalocal.sets.assignment import Assignment
from numalocal.sets.partition import partition
from numalocal.sets.pools import PREFERENCES, Pool, Preference
from numalocal_deviceplugin.errors import UnknownDevice
from numalocal_deviceplugin.kubelet.allocation import answer, assign, preferred_ids

from ..nodes import N0, N1, make_machine, make_node, make_partition

SETS = make_partition().sets
MACHINE = make_machine()
BIG_MACHINE = make_machine(nodes=2, cores=5)
BIG = partition(BIG_MACHINE, (Pool(name="cpuset", size=1),)).sets


def test_ids_in_any_order_become_an_assignment_in_rank_order() -> None:
    given_sets = answer("cpuset", assign(SETS, [N1, N0], MACHINE), MACHINE)

    assert given_sets.environment == {
        "NUMALOCAL_CPUS": "2-3,6-7",
        "NUMALOCAL_MEMS": "0-1",
        "NUMALOCAL_RANKS": "2",
        "NUMALOCAL_RANK_CPUS": "2-3|6-7",
        "NUMALOCAL_RANK_MEMS": "0|1",
        "NUMALOCAL_THREADS": "2",
        "NUMALOCAL_THREADS_MASK": "0x88",
    }


def test_the_annotation_carries_the_assignment_to_the_containers_creation() -> None:
    assignment = assign(SETS, [N0], MACHINE)

    annotations = answer("cpuset", assignment, MACHINE).annotations

    assert list(annotations) == ["assignment.numalocal.io/cpuset"]
    assert Assignment.parse(annotations["assignment.numalocal.io/cpuset"]) == assignment


def test_more_sets_than_one_container_can_have_are_refused() -> None:
    machine = make_machine(nodes=2, cores=40)
    sets = partition(machine, (Pool(name="cpuset", size=1),)).sets
    ids = [one.id for one in sets]

    assert len(assign(sets, ids[:64], machine).sets) == 64
    with pytest.raises(SetsUnavailable, match="65 CPU sets are asked for by one container"):
        assign(sets, ids[:65], machine)


@pytest.mark.parametrize("ids", [[], [N0, N0], [N0, N1, N0]])
def test_none_and_one_twice_are_refused(ids: list[str]) -> None:
    with pytest.raises(SetsUnavailable, match="must be different ones, one at least"):
        assign(SETS, ids, MACHINE)


def test_an_id_that_is_available_twice_counts_once() -> None:
    with pytest.raises(SetsUnavailable):
        preferred_ids(SETS, [N0, N0], must_include=(), size=2, machine=MACHINE, placement="Spread")


def test_unknown_ids_are_all_named_with_what_there_is_and_what_to_do() -> None:
    with pytest.raises(UnknownDevice) as caught:
        assign(SETS, ["cpuset-n9-c0x2", N0, "old"], MACHINE)

    assert str(caught.value) == (
        "device cpuset-n9-c0x2, old is not a CPU set of this node "
        "(it has cpuset-n0-c2x2, cpuset-n1-c6x2); if the pools were changed, delete the pod "
        "so that it gets a set of the new ones"
    )


def test_ranks_are_spread_over_numa_nodes() -> None:
    ids = [one.id for one in BIG]

    chosen = preferred_ids(
        BIG, ids, must_include=(), size=2, machine=BIG_MACHINE, placement="Spread"
    )

    assert {id_.split("-")[1] for id_ in chosen} == {"n0", "n1"}


def test_a_set_that_must_be_included_is() -> None:
    chosen = preferred_ids(
        BIG,
        [BIG[3].id, BIG[0].id],
        must_include=[BIG[3].id],
        size=1,
        machine=BIG_MACHINE,
        placement="Spread",
    )

    assert chosen == (BIG[3].id,)


def test_more_than_is_available_is_an_error() -> None:
    with pytest.raises(SetsUnavailable):
        preferred_ids(
            SETS, [N0], must_include=(), size=2, machine=make_machine(), placement="Spread"
        )


def test_a_set_whose_core_went_offline_meanwhile_is_not_allocated() -> None:
    node = make_node(online="0-5")

    with pytest.raises(SetsUnavailable, match=f"device {N1}: CPU 6-7 is offline; bring it online"):
        assign(node.partition.sets, [N1], node.machine)


def test_an_unknown_available_id_is_an_error() -> None:
    with pytest.raises(UnknownDevice):
        preferred_ids(
            SETS, ["nonsense"], must_include=(), size=1, machine=make_machine(), placement="Spread"
        )


def test_a_pool_that_packs_keeps_ranks_on_one_node() -> None:
    ids = [one.id for one in BIG]

    chosen = preferred_ids(BIG, ids, must_include=(), size=2, machine=BIG_MACHINE, placement="Pack")

    assert len({id_.split("-")[1] for id_ in chosen}) == 1


@given(data=st.data(), placement=st.sampled_from(PREFERENCES))
def test_the_preference_is_always_of_the_size_asked_and_from_what_is_available(
    data: st.DataObject, placement: Preference
) -> None:
    available = data.draw(st.lists(st.sampled_from(BIG), min_size=1, unique=True))
    size = data.draw(st.integers(1, len(available)))
    must = data.draw(st.lists(st.sampled_from(available), max_size=size, unique=True))

    chosen = preferred_ids(
        BIG,
        [one.id for one in available],
        must_include=[one.id for one in must],
        size=size,
        machine=BIG_MACHINE,
        placement=placement,
    )

    assert len(set(chosen)) == size
    assert set(chosen) <= {one.id for one in available}
    assert set(chosen) >= {one.id for one in must}
