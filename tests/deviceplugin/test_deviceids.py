import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool, Size
from numalocal_deviceplugin.deviceids import sets_named, sets_seated
from numalocal_deviceplugin.errors import UnknownDevice

from .nodes import N0, N1, make_container, make_machine, make_partition

SETS = make_partition().sets


def test_ids_in_any_order_give_their_sets() -> None:
    assert [one.id for one in sets_named(SETS, [N1, N0])] == [N1, N0]


def test_unknown_ids_are_all_named_with_what_there_is() -> None:
    with pytest.raises(
        UnknownDevice, match=r"device no, old is not a CPU set of this node \(it has"
    ):
        sets_named(SETS, ["old", N0, "no"])


def with_far_siblings(machine: Machine) -> Machine:
    """Number the second threads of all cores after all first ones, as most x86 machines do."""
    half = len(machine.online) // 2

    def renamed(cpus: IdSet) -> IdSet:
        return IdSet.of(one // 2 + half * (one % 2) for one in cpus)

    return machine._replace(
        packages=tuple(one._replace(cpus=renamed(one.cpus)) for one in machine.packages),
        cores=tuple(one._replace(cpus=renamed(one.cpus)) for one in machine.cores),
        nodes=tuple(one._replace(cpus=renamed(one.cpus)) for one in machine.nodes),
    )


SIZES: tuple[Size, ...] = (1, 2, 3, "numa")


class TestSetsOfOtherPoolsByWhereAContainerSits:
    @pytest.mark.parametrize("far", [False, True])
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize(
        "chosen", [slice(1), slice(0, 2), slice(1, None), slice(None, None, 2)]
    )
    def test_are_those_that_the_ids_name(self, *, far: bool, size: Size, chosen: slice) -> None:
        machine = make_machine(nodes=2, cores=7)
        machine = with_far_siblings(machine) if far else machine
        sets = partition(machine, (Pool(name="a", size=size),)).sets[chosen]
        cpus = union(one.cpus for one in sets)
        sits = make_container(cpus=str(cpus), mems="0-1")

        found = sets_seated(machine, sits, [one.id for one in reversed(sets)])

        assert [(one.id, one.pool, one.cpus, one.numa_node) for one in found] == [
            (one.id, one.pool, one.cpus, one.numa_node) for one in sets
        ]

    @given(
        offline=st.sets(st.integers(1, 27)),
        far=st.booleans(),
        size=st.sampled_from(SIZES),
        step=st.integers(1, 3),
        narrowed=st.booleans(),
    )
    def test_are_found_whatever_has_gone_offline_since(
        self, *, offline: set[int], far: bool, size: Size, step: int, narrowed: bool
    ) -> None:
        """Who is updated meanwhile is left the CPUs that are online."""
        whole = make_machine(nodes=2, cores=7)
        whole = with_far_siblings(whole) if far else whole
        sets = partition(whole, (Pool(name="a", size=size),)).sets[::step]
        machine = whole.with_online(whole.online - IdSet.of(offline))
        cpus = union(one.cpus for one in sets)
        sits = make_container(cpus=str(cpus & machine.online if narrowed else cpus), mems="0-1")

        found = sets_seated(machine, sits, [one.id for one in sets])

        assert [one.cpus for one in found] == [one.cpus for one in sets if sits.cpus]

    @pytest.mark.parametrize(
        ("online", "cpus", "ids"),
        [
            ("0-1,4-7", "", ["a-n0-c2x2"]),
            ("0-1,4-7", "0-1,4-7", ["a-n0-c2x2"]),
            ("0-2,4-7", "2,6", ["a-n0-c2x2"]),
            ("0-2,4-7", "4-5", ["a-n0-c2x2"]),
            ("0-2,4-7", "2", ["a-n0-c2x2", "a-n0-c3x2"]),
            ("0-3,5", "5", ["a-n1-c5x1"]),
        ],
    )
    def test_are_none_where_what_is_offline_does_not_make_them_up(
        self, online: str, cpus: str, ids: list[str]
    ) -> None:
        machine = make_machine().with_online(IdSet.parse(online))

        assert sets_seated(machine, make_container(cpus=cpus), ids) == ()

    @pytest.mark.parametrize(
        ("cpus", "ids"),
        [
            ("", ["a-n0-c2x2"]),
            ("0-7", ["a-n0-c2x2"]),
            ("2", ["a-n0-c2x1"]),
            ("2-3", ["a-n0-c2x4"]),
            ("2-3", ["a-n1-c2x2"]),
            ("2-3", ["a-n0-c0x2"]),
            ("2-3", ["a-n0-c2x2", "a-n0-c2x2x"]),
            ("2-3", ["a-n0-c2x2", "b-n0-c2x2"]),
            ("2-3", ["a-n0-c2x2", "a-n1-c6x2"]),
            ("2-3", ["a-n0-c2x0"]),
            ("2-3", ["a-n0-c2x99999"]),
            ("2-3", ["", "x" * 9999]),
            ("2-3", []),
        ],
    )
    def test_are_none_where_it_sits_elsewhere_or_an_id_is_odd(
        self, cpus: str, ids: list[str]
    ) -> None:
        assert sets_seated(make_machine(), make_container(cpus=cpus), ids) == ()
