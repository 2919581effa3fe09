from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.idset import IdSet
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.deviceids import sets_named
from numalocal_deviceplugin.errors import CpusHeld
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.rebuilding import rebuilt

from .nodes import N0, N1, make_container, make_partition, make_pod

A, B = make_pod("a"), make_pod("b")
ENGINE = make_container()
FIRST = Assignment.of(sets_named(make_partition().sets, [N0]))
SECOND = Assignment.of(sets_named(make_partition().sets, [N1]))
HELD = Ledger().claim(A, ENGINE, FIRST).created(A, ENGINE)


def test_no_cpu_is_held_by_two_pods() -> None:
    with pytest.raises(CpusHeld) as caught:
        HELD.claim(B, ENGINE, FIRST)

    assert str(caught.value) == (
        "pod default/b, container engine: CPU 2-3 of its CPU sets is still held by pod default/a "
        "('uid-of-a'), whose sandbox runs; it is tried again until that pod has gone"
    )


def test_a_pod_holds_its_cpus_for_all_its_containers() -> None:
    both = HELD.claim(A, make_container("numalocal-check"), FIRST)

    assert str(both.held) == "2-3"
    assert str(both.held_by_others("uid-of-b")) == "2-3"
    assert str(both.held_by_others("uid-of-a")) == ""


def test_a_pod_whose_containers_have_all_stopped_holds_on() -> None:
    crashed = HELD.stopped("uid-of-a", ENGINE.id)

    assert list(crashed.containers) == []
    assert str(crashed.held) == "2-3"


def test_a_container_takes_the_place_of_the_one_that_ended_without_a_word() -> None:
    again = HELD.created(A, ENGINE._replace(id="second")).created(A, make_container("proxy"))

    assert [one.id for _, one in again.containers] == ["second", "id-of-proxy"]


def test_a_pod_whose_sandbox_stopped_holds_nothing() -> None:
    assert HELD.gone(A) == Ledger()
    assert HELD.gone(B) == HELD


def test_the_sandbox_before_does_not_end_the_pod_that_has_another() -> None:
    again = replace(A, id="second")
    ledger = HELD.claim(again, ENGINE, FIRST)

    assert str(ledger.gone(A).held) == "2-3"
    assert ledger.gone(again) == Ledger()


class TestWhatTheKubeletLists:
    waiting = rebuilt([A, B], [], Ledger())

    def test_is_held_by_a_pod_that_waits_for_its_container(self) -> None:
        assert str(self.waiting.listed("uid-of-a", FIRST).held) == "2-3"

    def test_is_held_no_more_once_it_is_listed_no_more(self) -> None:
        assert self.waiting.listed("uid-of-a", FIRST).listed("uid-of-a", None) == self.waiting

    def test_counts_for_nothing_beside_a_claim(self) -> None:
        assert HELD.listed("uid-of-a", SECOND) == HELD

    def test_never_takes_what_another_pod_holds(self) -> None:
        ledger = self.waiting.claim(B, ENGINE, FIRST)

        assert ledger.listed("uid-of-a", FIRST) == ledger


class TestAPodOfTheSameName:
    """A StatefulSet's, or a worker's replica: the kubelet knows pods by name, the ledger by uid."""

    successor = replace(A, uid="successor", id="new")

    def test_takes_the_place_of_one_of_which_nothing_lives(self) -> None:
        """Its sandbox may have stopped without a word."""
        crashed = HELD.stopped("uid-of-a", ENGINE.id)

        ledger = crashed.claim(self.successor, ENGINE, SECOND)

        assert set(ledger.tenants) == {"successor"}
        assert ledger.held == SECOND.cpus

    def test_takes_over_what_only_the_kubelet_lists(self) -> None:
        waiting = rebuilt([A, B], [], Ledger()).listed("uid-of-a", FIRST)

        assert waiting.claim(self.successor, ENGINE, FIRST).held == FIRST.cpus

    def test_waits_for_one_that_still_runs(self) -> None:
        """Deleted by force, with a process that heeds no signal."""
        with pytest.raises(CpusHeld):
            HELD.claim(self.successor, ENGINE, FIRST)

        both = HELD.claim(self.successor, ENGINE, SECOND).created(self.successor, ENGINE)
        assert set(both.stopped("uid-of-a", ENGINE.id).tenants) == {"successor"}


def test_pods_of_which_nothing_lives_are_known_to_the_kubelet_or_gone() -> None:
    ledger = HELD.claim(B, ENGINE, SECOND)

    assert ledger.unknown_to([]) == {"uid-of-b"}
    assert ledger.unknown_to([("default", "b")]) == frozenset()
    assert ledger.without(["uid-of-b"]).held == FIRST.cpus


def test_what_a_container_is_bound_to_is_kept_with_it() -> None:
    ledger = HELD.bound([("uid-of-a", ENGINE.id, IdSet.parse("2"), IdSet.parse("0"))])
    ledger = ledger.bound([("uid-of-a", ENGINE.id, IdSet.parse("3"), IdSet())])

    ((_, now),) = ledger.containers
    assert (str(now.cpus), str(now.mems)) == ("3", "0")
    assert ledger.bound([("nobody", "nothing", IdSet(), IdSet())]) == ledger


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["claim", "stop", "gone", "listed", "unlisted"]),
            st.sampled_from([A, B, make_pod("c")]),
            st.sampled_from([FIRST, SECOND, Assignment((*FIRST.sets, *SECOND.sets))]),
        ),
        max_size=30,
    )
)
def test_whatever_comes_no_cpu_is_held_twice(events: list[tuple[str, object, object]]) -> None:
    ledger = rebuilt([A, B], [], Ledger())
    for kind, pod, assignment in events:
        assert isinstance(pod, type(A))
        assert isinstance(assignment, Assignment)
        match kind:
            case "claim":
                try:
                    ledger = ledger.claim(pod, ENGINE, assignment).created(pod, ENGINE)
                except CpusHeld:
                    assert assignment.cpus & ledger.held_by_others(pod.uid)
            case "stop":
                ledger = ledger.stopped(pod.uid, ENGINE.id)
            case "gone":
                ledger = ledger.gone(pod)
                assert pod.uid not in ledger.tenants
            case _:
                ledger = ledger.listed(pod.uid, assignment if kind == "listed" else None)

        assert len(ledger.held) == sum(len(one.cpus) for one in ledger.tenants.values())
