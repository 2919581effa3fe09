"""Which memory a container is bound to, by which policy, and what it is told of it."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.idset import IdSet
from numalocal.sets.assignment import Assignment
from numalocal.sets.memoryask import Enforcement, MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes
from numalocal_deviceplugin import assigning, binding
from numalocal_deviceplugin.abilities import Told, abilities
from numalocal_deviceplugin.binding import Binding
from numalocal_deviceplugin.correcting import corrections
from numalocal_deviceplugin.deviceids import sets_named
from numalocal_deviceplugin.errors import BindingRefused
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.thisnode import Node

from .nodes import (
    CONTAINERD,
    KERNEL,
    N0,
    N1,
    make_container,
    make_node,
    make_partition,
    make_pod,
    make_tiered_machine,
)

LONGEST_SENTENCE = 1000
OLD = Told("containerd", "1.7.24~ds1")
POLICY_VARIABLES = ("NUMALOCAL_MEMORY_POLICY", "NUMALOCAL_MEMORY_POLICY_NODES")


def node(runtime: Told = CONTAINERD, *, movable: bool = False) -> Node:
    machine = make_tiered_machine(movable=movable)
    return replace(
        make_node(), machine=machine, abilities=abilities(runtime, KERNEL, machine), ledger=Ledger()
    )


def assigned(*ids: str) -> Assignment:
    return Assignment.of(sets_named(make_partition().sets, ids))


def born(
    *ids: str,
    asks: Mapping[str, str] | None = None,
    runtime: Told = CONTAINERD,
    movable: bool = False,
) -> Binding:
    container = make_container(assignment=assigned(*ids).to_json())
    bound = binding.born(
        make_pod(**asks or {}), container, assigned(*ids), node(runtime, movable=movable)
    )
    assert bound is not None
    return bound


@pytest.mark.parametrize(
    ("asks", "mems", "policy", "over"),
    [
        ({}, "0", "Bind", ""),
        ({"memory_policy": "Bind", "memory_nodes": "Near"}, "0,2", "Bind", ""),
        ({"memory_policy": "Bind", "memory_nodes": "MemoryOnly"}, "2", "Bind", ""),
        ({"memory_policy": "Bind", "memory_nodes": "Any"}, "0-2", "Bind", ""),
        ({"memory_policy": "Preferred"}, "0-2", "Preferred", "0"),
        ({"memory_policy": "Preferred", "memory_nodes": "MemoryOnly"}, "0-2", "Preferred", "2"),
        ({"memory_policy": "Interleave"}, "0", "Bind", ""),
        ({"memory_policy": "Interleave", "memory_nodes": "Near"}, "0,2", "Interleave", "0,2"),
        (
            {"memory_policy": "WeightedInterleave", "memory_nodes": "Package"},
            "0,2",
            "WeightedInterleave",
            "0,2",
        ),
        ({"on_overflow": "Interleave", "memory": "6Gi"}, "0", "Bind", ""),
        ({"on_overflow": "Interleave", "memory": "9Gi"}, "0,2", "Interleave", "0,2"),
        ({"on_overflow": "Interleave", "memory": "13Gi"}, "0-2", "Interleave", "0-2"),
        ({"on_overflow": "Refuse", "memory": "13Gi"}, "0", "Bind", ""),
    ],
)
def test_a_rank_is_born_on_the_nodes_and_with_the_policy_that_its_pod_asks_for(
    asks: dict[str, str], mems: str, policy: str, over: str
) -> None:
    bound = born(N0, asks=asks)

    assert (str(bound.mems), bound.policy, str(bound.policy_nodes)) == (mems, policy, over)
    assert bound.environment["NUMALOCAL_MEMS"] == mems
    told = [bound.environment.get(one, "") for one in POLICY_VARIABLES]
    words = {"Bind": "", "Preferred": "preferred", "Interleave": "interleave"}
    assert told == [words.get(policy, "weighted-interleave"), over]


def test_ranks_of_one_container_share_all_their_nodes_and_are_told_their_own() -> None:
    bound = born(N0, N1, asks={"memory_policy": "Interleave", "memory_nodes": "Near"})

    assert (str(bound.mems), str(bound.policy_nodes)) == ("0-2", "0-2")
    assert bound.environment["NUMALOCAL_RANK_MEMS"] == "0,2|1"


def test_an_overflow_is_told() -> None:
    assert (
        "NUMALOCAL_MEMORY_OVERFLOW" not in born(N0, asks={"on_overflow": "Interleave"}).environment
    )
    over = born(N0, asks={"on_overflow": "Interleave", "memory": "9Gi"})
    assert over.environment["NUMALOCAL_MEMORY_OVERFLOW"] == "1"


def test_what_allocate_said_of_memory_is_replaced_and_what_the_user_says_is_kept() -> None:
    """Allocate knows no pod: it told the nodes of the sets."""
    pod = make_pod(memory_nodes="Near")
    container = make_container(assignment=assigned(N0).to_json())
    allocated = container._replace(variables=dict(assigned(N0).environment()))
    users = container._replace(variables={"NUMALOCAL_MEMS": "7", "NUMALOCAL_RANK_MEMS": "0"})

    ours = binding.born(pod, allocated, assigned(N0), node())
    theirs = binding.born(pod, users, assigned(N0), node())

    assert ours is not None
    assert theirs is not None
    assert ours.environment["NUMALOCAL_MEMS"] == "0,2"
    assert ours.environment["NUMALOCAL_RANK_MEMS"] == "0,2"
    assert "NUMALOCAL_CPUS" not in ours.environment, "which is right as Allocate said it"
    assert "NUMALOCAL_MEMS" not in theirs.environment


def test_an_engine_is_told_of_its_memory_in_its_own_language() -> None:
    asks = {"memory_nodes": "MemoryOnly", "engine": "vllm", "container": "engine"}

    assert born(N0, asks=asks).environment["CPU_VISIBLE_MEMORY_NODES"] == "2"


class TestTheCheck:
    def test_is_bound_as_the_engine_is(self) -> None:
        pod = make_pod(
            bound_containers="numalocal-check", container="engine", memory_policy="Preferred"
        )
        check = make_container("numalocal-check")

        given = assigning.assignment_of(pod, check, node(), lambda _namespace, _name: [N0])
        bound = binding.born(pod, check, given, node())

        assert bound is not None
        assert (str(bound.mems), bound.policy, str(bound.policy_nodes)) == ("0-2", "Preferred", "0")
        assert bound.environment["NUMALOCAL_MEMORY_POLICY"] == "preferred"
        assert bound.environment["NUMALOCAL_MEMS"] == "0-2"


class TestWhereAPolicyCannotBeSet:
    def test_a_container_is_refused_before_it_starts_with_what_to_do(self) -> None:
        with pytest.raises(BindingRefused) as caught:
            born(N0, asks={"memory_policy": "Preferred"}, runtime=OLD)

        assert str(caught.value) == (
            "pod default/llama-0, container engine: memory policy Preferred (for "
            "annotation numalocal.io/memory-policy) cannot be set on this node: the container "
            "runtime is containerd '1.7.24~ds1', whose NRI cannot set a memory policy; update it "
            "to 2.3 or later, and runc to 1.4 or later; or let it run without, by annotation "
            "numalocal.io/enforcement: BestEffort"
        )

    def test_one_that_overflows_is_told_by_which_annotation(self) -> None:
        with pytest.raises(BindingRefused, match=r"Interleave \(for annotation numalocal.io/on-ov"):
            born(N0, asks={"on_overflow": "Interleave", "memory": "9Gi"}, runtime=OLD)

    def test_bind_needs_none(self) -> None:
        assert str(born(N0, asks={"memory_nodes": "Near"}, runtime=OLD).mems) == "0,2"

    def test_nor_does_a_policy_over_one_node(self) -> None:
        assert (
            born(N0, asks={"memory_policy": "Interleave"}, runtime=OLD).policy is MemoryPolicy.BIND
        )

    def test_best_effort_goes_on_without_it_and_is_told_what_it_should_have(self) -> None:
        bound = born(
            N0, asks={"memory_policy": "Preferred", "enforcement": "BestEffort"}, runtime=OLD
        )

        assert (str(bound.mems), bound.policy, str(bound.policy_nodes)) == ("0-2", "Bind", "")
        assert bound.environment["NUMALOCAL_MEMORY_POLICY"] == "preferred"

    @pytest.mark.parametrize("runtime", [CONTAINERD, OLD])
    def test_a_wrong_word_for_how_strictly_is_refused_wherever_the_pod_comes(
        self, runtime: Told
    ) -> None:
        with pytest.raises(BindingRefused, match=r"enforcement is 'besteffort'; known: Required"):
            born(N0, asks={"enforcement": "besteffort"}, runtime=runtime)

    def test_best_effort_has_it_where_it_can_be_set(self) -> None:
        assert (
            born(N0, asks={"memory_policy": "Preferred", "enforcement": "BestEffort"}).policy
            == "Preferred"
        )

    def test_movable_memory_alone_is_refused_as_it_is_bound_to_by_a_policy(self) -> None:
        asks = {"memory_nodes": "MemoryOnly"}

        bound = born(N0, asks=asks, movable=True)

        assert (str(bound.mems), bound.policy, str(bound.policy_nodes)) == ("0,2", "Bind", "2")
        assert bound.environment["NUMALOCAL_MEMORY_POLICY"] == "bind"
        with pytest.raises(BindingRefused, match=r"Bind \(for annotation numalocal.io/memory-n"):
            born(N0, asks=asks, runtime=OLD, movable=True)
        loose = born(N0, asks={**asks, "enforcement": "BestEffort"}, runtime=OLD, movable=True)
        assert (str(loose.mems), str(loose.policy_nodes)) == ("0,2", "")


def test_nodes_that_the_machine_does_not_have_are_refused() -> None:
    with pytest.raises(BindingRefused, match=r"^pod default/llama-0, container engine: CPU set"):
        born(N1, asks={"memory_nodes": "MemoryOnly"})


def test_a_container_that_runs_keeps_its_nodes_and_is_no_drift() -> None:
    pod = make_pod(memory_policy="Preferred")
    engine = make_container(assignment=assigned(N0).to_json(), cpus="2-3", mems="0-2")
    ledger = Ledger().claim(pod, engine, assigned(N0)).created(pod, engine)

    assert corrections(replace(node(), ledger=ledger)) == ()
    lost = engine._replace(mems=IdSet.parse("0"))
    (one,) = corrections(replace(node(), ledger=ledger.created(pod, lost)))
    assert str(one.binding.mems) == "0-2"
    assert one.binding.policy is MemoryPolicy.BIND, "as no update can set one"


WORDS = st.sampled_from(
    [
        *(*MemoryPolicy, *MemoryNodes, *Overflow, *Enforcement),
        *("", " ", "bind", "0-1", "x" * 4097, "\0"),
    ]
)
SIZES = st.sampled_from(["", "0", "1Gi", "9Gi", "64Gi", "1e18", "8Ei", "-1", "9" * 4096])


@given(
    asks=st.fixed_dictionaries(
        {},
        optional={
            "memory_policy": WORDS,
            "memory_nodes": WORDS,
            "on_overflow": WORDS,
            "enforcement": WORDS,
            "memory": SIZES,
        },
    ),
    ids=st.sampled_from([(N0,), (N1,), (N0, N1)]),
    runtime=st.sampled_from([CONTAINERD, OLD, Told()]),
)
def test_whatever_a_pod_asks_it_is_refused_in_a_sentence_or_bound_where_memory_is(
    asks: dict[str, str], ids: tuple[str, ...], runtime: Told
) -> None:
    lenders = IdSet.parse("0-2")
    try:
        bound = born(*ids, asks=asks, runtime=runtime)
    except BindingRefused as error:
        said = str(error)
    else:
        said = "bound"
        assert bound.mems
        assert bound.mems <= lenders
        assert bound.policy_nodes <= bound.mems
        assert bool(bound.policy_nodes) or bound.policy is MemoryPolicy.BIND
        assert bound.policy in node(runtime).abilities.policies
    assert said.isprintable()
    assert len(said) < LONGEST_SENTENCE
