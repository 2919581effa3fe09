from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool, Size
from numalocal_deviceplugin import assigning
from numalocal_deviceplugin.errors import BindingRefused, KubeletSilent, UnknownDevice

from .nodes import N0, N1, make_container, make_machine, make_partition, make_pod, no_devices

SETS, OURS = make_partition().sets, make_partition().by_id
FIRST = Assignment.of(assigning.sets_named(SETS, [N0]))
TEXT = FIRST.to_json()
KEY = "assignment.numalocal.io/cpuset"


def test_ids_in_any_order_give_their_sets() -> None:
    assert [one.id for one in assigning.sets_named(SETS, [N1, N0])] == [N1, N0]


def test_unknown_ids_are_all_named_with_what_there_is() -> None:
    with pytest.raises(
        UnknownDevice, match=r"device no, old is not a CPU set of this node \(it has"
    ):
        assigning.sets_named(SETS, ["old", N0, "no"])


class TestWhatAContainerWasTold:
    def test_is_its_assignment(self) -> None:
        assert assigning.told(make_pod(), make_container(assignment=TEXT)) == FIRST

    def test_is_nothing_where_nothing_was_given(self) -> None:
        assert assigning.told(make_pod(), make_container()) is None

    @pytest.mark.parametrize("key", [KEY, "assignment.numalocal.io/", "assignment.numalocal.io/x"])
    def test_is_not_believed_where_the_pod_says_it_itself(self, key: str) -> None:
        """Some runtimes copy a pod's annotations into its containers."""
        pod = replace(make_pod(), annotations={key: TEXT})
        container = make_container()._replace(annotations={key: TEXT})

        with pytest.raises(BindingRefused, match=f"the pod has the annotation '{key}', which only"):
            assigning.told(pod, container)

    def test_of_two_pools_is_refused_and_never_half_done(self) -> None:
        annotations = {KEY: TEXT, "assignment.numalocal.io/big": TEXT}
        container = make_container()._replace(annotations=annotations)

        with pytest.raises(BindingRefused, match=r"it has CPU sets of 2 pools \('big, cpuset'\)"):
            assigning.told(make_pod(), container)

    def test_under_the_key_of_another_pool_is_refused(self) -> None:
        container = make_container()._replace(annotations={"assignment.numalocal.io/big": TEXT})

        with pytest.raises(BindingRefused, match="pool 'big' holds CPU sets of 'cpuset'"):
            assigning.told(make_pod(), container)

    def test_that_is_damaged_is_refused_by_name(self) -> None:
        with pytest.raises(
            BindingRefused, match=f"container engine: annotation {KEY}: '{{' is not"
        ):
            assigning.told(make_pod(), make_container(assignment="{"))


class TestAnAssignment:
    pod, container = make_pod(), make_container()

    def test_of_the_nodes_own_sets_needs_nobodys_word(self) -> None:
        given = assigning.vouched(self.pod, self.container, FIRST, OURS, no_devices)

        assert given == FIRST

    @pytest.mark.parametrize(
        ("was", "becomes"),
        [
            pytest.param('"2-3"', '"0-3"', id="more CPUs"),
            pytest.param('"2-3"', '"6-7"', id="other CPUs"),
            pytest.param('"numaNode":0', '"numaNode":1', id="another node"),
            pytest.param(N0, "cpuset-n0-c0x2", id="another name"),
        ],
    )
    def test_of_anything_else_needs_the_kubelets_word(self, was: str, becomes: str) -> None:
        strange = Assignment.parse(TEXT.replace(was, becomes))
        (one,) = strange.sets

        def lists(*ids: str) -> assigning.DevicesOf:
            return lambda namespace, name: ids

        given = assigning.vouched(self.pod, self.container, strange, OURS, lists("x", one.id))
        assert given == strange
        with pytest.raises(BindingRefused, match=f"CPU set {one.id} is none of this node's"):
            assigning.vouched(self.pod, self.container, strange, OURS, lists())

    def test_is_not_believed_while_the_kubelet_is_silent(self) -> None:
        def silent(namespace: str, name: str) -> list[str]:
            raise KubeletSilent("no answer")

        strange = Assignment.parse(TEXT.replace(N0, "old"))
        with pytest.raises(KubeletSilent):
            assigning.vouched(self.pod, self.container, strange, OURS, silent)

    def test_of_when_a_cpu_was_offline_is_the_nodes_own(self) -> None:
        less = Assignment.parse(TEXT.replace('"2-3"', '"3"'))

        assert assigning.vouched(self.pod, self.container, less, OURS, no_devices) == less


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

        found = assigning.sets_seated(machine, sits, [one.id for one in reversed(sets)])

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

        found = assigning.sets_seated(machine, sits, [one.id for one in sets])

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

        assert assigning.sets_seated(machine, make_container(cpus=cpus), ids) == ()

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
        assert assigning.sets_seated(make_machine(), make_container(cpus=cpus), ids) == ()
