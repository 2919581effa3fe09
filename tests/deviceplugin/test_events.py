from dataclasses import replace

import pytest

from numalocal.errors import PoolUnmet
from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment
from numalocal.sets.partition import partition
from numalocal_deviceplugin import events
from numalocal_deviceplugin.correcting import corrections
from numalocal_deviceplugin.deviceids import sets_named
from numalocal_deviceplugin.facts import Facts, node_of
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.settings import Settings
from numalocal_deviceplugin.settling import Listing

from .nodes import N0, N1, make_container, make_machine, make_partition, make_pod

FIRST = Assignment.of(sets_named(make_partition().sets, [N0]))
A, B = make_pod("a"), make_pod("b")
ENGINE = make_container(assignment=FIRST.to_json())
FACTS = Facts(machine=make_machine(), partition=make_partition())
CLAIMED = Ledger().claim(A, ENGINE, FIRST)
HELD = replace(FACTS, ledger=CLAIMED)
SETTINGS = Settings(rest_s=10.0)
NOW_S = 100.5


def lists(**pods: str) -> Listing:
    return {("default", name): frozenset(ids.split()) for name, ids in pods.items()}


def listed(facts: Facts, listing: Listing, before: Ledger = CLAIMED) -> Facts:
    return events.listed(facts, SETTINGS, listing, before, NOW_S)


def released(facts: Facts, ledger: Ledger) -> Facts:
    return events.released(facts, SETTINGS, ledger, NOW_S)


def machine(online: str) -> Machine:
    return make_machine().with_online(IdSet.parse(online))


def others(facts: Facts) -> str:
    return str(node_of(facts, SETTINGS).others)


class TestAnotherMachine:
    def test_leaves_of_a_set_what_is_online_under_the_same_name(self) -> None:
        found = events.recut(FACTS, machine("0-2,4-7,64"))

        sets = [(one.id, str(one.cpus)) for one in found.partition.sets]
        assert sets == [(N0, "2"), (N1, "6-7")]

    def test_that_cuts_nothing_is_taken_for_its_online_cpus_alone(self) -> None:
        narrow = machine("0-1")
        with pytest.raises(PoolUnmet):
            events.recut(FACTS, make_machine(nodes=1, cores=1))

        found = events.uncut(FACTS, narrow)

        assert found == replace(FACTS, machine=narrow)

    def test_of_which_nothing_was_there_before_is_not_taken(self) -> None:
        assert events.uncut(FACTS, make_machine()._replace(online=IdSet.parse("64"))) is FACTS


class TestTheKubeletsList:
    def test_contests_a_set_that_a_pod_holds_for_which_it_is_not_listed(self) -> None:
        assert listed(HELD, lists(a=N0)).contested == {}
        assert set(listed(HELD, lists(a="")).contested) == {N0}

    def test_that_was_asked_for_before_a_set_was_given_says_nothing_of_it(self) -> None:
        assert listed(HELD, lists(a=""), before=Ledger()).contested == {}

    def test_frees_at_the_second_look_what_a_pod_held_that_ended_without_a_word(self) -> None:
        """Containerd 1.7 tells nothing of sandboxes that are older than itself."""
        known = listed(HELD, lists(a=N0))

        once = listed(known, {})
        twice = listed(once, {})

        assert str(once.ledger.held) == "2-3"
        assert twice.ledger == Ledger()
        assert twice.contested == {}
        assert others(twice) == "0-1,4-7"  # they rest

    def test_frees_nothing_at_the_first_look_of_all(self) -> None:
        assert listed(HELD, {}).ledger == CLAIMED

    def test_frees_nothing_of_a_pod_that_came_while_it_was_asked(self) -> None:
        known = replace(HELD, listing={})

        assert listed(known, {}, before=Ledger()).ledger == CLAIMED

    def test_keeps_what_lives_whatever_it_says(self) -> None:
        facts = replace(HELD, ledger=CLAIMED.created(A, ENGINE))

        for _ in range(3):
            facts = listed(facts, {}, before=facts.ledger)

        assert str(facts.ledger.held) == "2-3"

    def test_settles_what_was_undecided(self) -> None:
        pod, check = make_pod("x", bound_containers="check"), make_container("check")
        facts = events.rebuilt(FACTS, SETTINGS, [pod], [(pod, check)])
        assert facts.undecided == {check.id}

        facts = listed(facts, lists(x=N1), before=facts.ledger)

        assert facts.undecided == frozenset()
        (one,) = corrections(node_of(facts, SETTINGS))
        assert str(one.binding.cpus) == "6-7"

    def test_gives_what_is_freed_to_who_waited_for_it(self) -> None:
        late = ENGINE._replace(id="late")
        waits = replace(HELD, ledger=CLAIMED.created(B, late), listing=lists(b=N0))

        found = listed(waits, lists(b=N0))

        assert [one.pod.name for one in found.ledger.tenants.values() if one.cpus] == ["b"]
        assert found.refused == {}


class TestTheRuntimesList:
    def test_takes_the_place_of_all_but_what_those_that_live_on_have_claimed(self) -> None:
        """The runtime starts anew, and lists what the kubelet has not been asked for since."""
        pod = make_pod("x", bound_containers="check")
        check = make_container("check", cpus="2-3", mems="0")
        ledger = CLAIMED.gone(A).claim(pod, check, FIRST).created(pod, check)
        facts = replace(FACTS, ledger=ledger, listing=lists(x=""), contested={N1: "old"})

        found = events.rebuilt(facts, SETTINGS, [pod], [(pod, check)])

        assert str(found.ledger.held) == "2-3"
        assert corrections(node_of(found, SETTINGS), undecided=found.undecided) == ()
        assert (found.refused, found.contested) == ({}, {})

    def test_is_claimed_from_by_what_it_names(self) -> None:
        found = events.rebuilt(FACTS, SETTINGS, [A], [(A, ENGINE)])

        assert str(found.ledger.held) == "2-3"


class TestWhatIsGivenUp:
    def test_rests_until_a_whole_second(self) -> None:
        found = released(HELD, Ledger())

        assert {until_s: str(cpus) for until_s, cpus in found.resting.items()} == {111: "2-3"}
        assert others(found) == "0-1,4-7"

    def test_in_one_second_rests_together(self) -> None:
        rests = replace(HELD, resting={110: IdSet.parse("1"), 111: IdSet.parse("6")})

        found = released(rests, Ledger()).resting

        assert {until_s: str(cpus) for until_s, cpus in found.items()} == {110: "1", 111: "2-3,6"}

    def test_is_lent_once_it_has_rested(self) -> None:
        rests = replace(FACTS, resting={110: IdSet.parse("2-3"), 111: IdSet.parse("6-7")})

        assert others(events.rested(rests, 110.0)) == "0-5"
        assert others(events.rested(rests, 111.0)) == "0-7"

    def test_is_claimed_by_who_waited_for_it(self) -> None:
        late = ENGINE._replace(id="late")
        both = events.rebuilt(
            HELD, SETTINGS, [A, B], [(A, ENGINE._replace(cpus=IdSet.parse("2-3"))), (B, late)]
        )
        assert set(both.refused) == {"late"}

        found = released(both, both.ledger.gone(A))

        assert (str(found.ledger.tenants[B.uid].cpus), found.refused) == ("2-3", {})

    def test_is_contested_no_more(self) -> None:
        contested = replace(HELD, contested={N0: "why"})

        assert released(contested, Ledger()).contested == {}

    def test_is_not_told_of_under_the_name_of_a_set_that_is_cut_no_more(self) -> None:
        larger = make_machine(cores=4)
        cut = partition(larger, make_partition().pools)
        assert N0 not in cut.by_id

        contested = replace(HELD, machine=larger, partition=cut, contested={N0: "why"})

        assert released(contested, Ledger()).contested == {}

    def test_by_a_pod_that_held_nothing_changes_the_ledger_alone(self) -> None:
        ledger = CLAIMED.created(B, make_container("web"))
        facts = replace(FACTS, ledger=ledger, contested={N0: "why"})

        assert released(facts, ledger.gone(B)) == replace(facts, ledger=ledger.gone(B))
