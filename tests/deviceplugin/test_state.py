import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from numalocal import names
from numalocal.errors import PoolUnmet
from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.abilities import Told
from numalocal_deviceplugin.counters import Count
from numalocal_deviceplugin.deviceids import sets_named
from numalocal_deviceplugin.errors import BindingRefused, CpusHeld
from numalocal_deviceplugin.facts import RequiredPlugins
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.settings import Idle, Settings
from numalocal_deviceplugin.snapshot import Snapshot
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State

from .nodes import (
    N0,
    N1,
    SHARED,
    gives_out,
    make_container,
    make_machine,
    make_partition,
    make_pod,
    make_state,
)
from .waiting import PATIENCE_S

FIRST = Assignment.of(sets_named(make_partition().sets, [N0]))
FOR_EVER_S = float("inf")
"""No thread can wait as long: it raises."""
WORKER = make_pod("worker")
ENGINE = make_container(assignment=FIRST.to_json())


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def clocked(settings: Settings | None = None) -> tuple[State, Clock]:
    clock = Clock()
    state = State(make_machine(), make_partition(), settings, clock=clock)
    state.set_policy(Policy.NONE)
    state.runtime_told(Told("containerd", "2.4.2"))
    state.runtime_synchronized()
    return state, clock


def reasons(now: Snapshot) -> dict[str, str]:
    """Reasons by subject."""
    return {one.subject: one.reason for one in now.refusals}


def machine(online: str) -> Machine:
    return make_machine().with_online(IdSet.parse(online))


class TestGiving:
    def test_waits_for_the_runtime(self) -> None:
        state = make_state(synchronized=False)
        assert not gives_out(state)

        state.runtime_told(Told("containerd", "2.4.2"))
        state.runtime_synchronized()

        assert gives_out(state)
        assert state.snapshot().facts.runtime.told.version == "2.4.2"

    def test_a_runtime_that_was_away_may_have_another_configuration(self) -> None:
        state = make_state(synchronized=False)

        state.runtime_told(Told("containerd", "2.4.2"))
        state.runtime_validates(enforced=True)  # of a container right after the runtime's list
        state.runtime_synchronized()
        seen = state.snapshot().facts.runtime
        state.runtime_lost()
        lost = state.snapshot().facts.runtime

        assert (seen.required_plugins, seen.told.name) == (RequiredPlugins.ENFORCED, "containerd")
        assert (lost.required_plugins, lost.told.name) == (RequiredPlugins.UNKNOWN, "containerd")

    def test_waits_out_a_restart_of_the_runtime_but_not_its_absence(self) -> None:
        state, clock = clocked()

        state.runtime_lost()
        clock.now_s += 29.9
        assert gives_out(state)

        clock.now_s += 0.1
        assert reasons(state.snapshot()) == {"": Reason.RUNTIME_AWAY}

    @pytest.mark.parametrize(
        ("policy", "reason"),
        [(Policy.UNKNOWN, Reason.POLICY_UNKNOWN), (Policy.STATIC, Reason.POLICY_STATIC)],
    )
    def test_and_adjusting_end_where_another_may_pin(self, policy: Policy, reason: Reason) -> None:
        state = make_state(policy=policy)

        now = state.snapshot()
        assert not gives_out(state)
        assert now.node.barred is not None
        assert now.node.barred.reason is reason


class TestTheMachine:
    def test_makes_a_set_unavailable_by_an_offline_core_and_back(self) -> None:
        state = make_state()

        state.set_machine(machine("0-1,4-7"))
        assert reasons(state.snapshot()) == {N0: Reason.SET_OFFLINE}
        assert state.snapshot().refusals[0].message == (
            "CPU 2-3 is offline; bring it online to have the set again"
        )

        state.set_machine(machine("0-7"))
        assert reasons(state.snapshot()) == {}

    def test_that_cuts_nothing_leaves_the_sets_as_they_were(self) -> None:
        state = make_state()

        with pytest.raises(PoolUnmet):
            state.set_machine(machine("64"))

        assert str(state.snapshot().node.machine.online) == "0-7"


class TestAdmission:
    def test_makes_the_pod_hold_its_sets(self) -> None:
        node = make_state().admit(WORKER, ENGINE, FIRST).node

        assert str(node.ledger.held) == "2-3"

    def test_refuses_what_another_pod_holds_until_it_is_gone(self) -> None:
        state = make_state()
        state.admit(WORKER, ENGINE, FIRST)

        with pytest.raises(CpusHeld):
            state.admit(make_pod("late"), ENGINE, FIRST)
        state.stopped(WORKER.uid, ENGINE.id)
        with pytest.raises(CpusHeld):
            state.admit(make_pod("late"), ENGINE, FIRST)
        state.gone(WORKER)
        state.admit(make_pod("late"), ENGINE, FIRST)

    def test_refuses_a_container_that_comes_back_without_its_sets(self) -> None:
        state = make_state()
        state.admit(WORKER, ENGINE, FIRST)

        with pytest.raises(BindingRefused, match="the kubelet has forgotten"):
            state.admit(WORKER, make_container(), None)

    def test_of_one_that_may_not_be_bound_holds_nothing(self) -> None:
        state = make_state(policy=Policy.STATIC)

        with pytest.raises(BindingRefused, match="pins CPUs itself"):
            state.admit(WORKER, ENGINE, FIRST)
        assert state.snapshot().node.ledger == Ledger()


class TestLending:
    def test_gives_idle_sets_to_all_others(self) -> None:
        assert str(make_state().snapshot().node.others) == "0-7"

    def test_ends_with_the_first_container(self) -> None:
        assert str(make_state().admit(WORKER, ENGINE, FIRST).node.others) == "0-1,4-7"

    def test_begins_again_after_a_rest(self) -> None:
        state, clock = clocked()
        state.admit(WORKER, ENGINE, FIRST)

        state.gone(WORKER)
        assert str(state.snapshot().node.others) == "0-1,4-7"
        clock.now_s += 10

        assert str(state.snapshot().node.others) == "0-7"

    def test_is_not_done_where_idle_sets_are_exclusive(self) -> None:
        state = make_state(settings=Settings(idle=Idle.EXCLUSIVE))

        assert str(state.snapshot().node.others) == SHARED


class TestTheKubeletsList:
    def test_makes_a_set_unavailable_that_a_pod_holds_for_which_it_is_not_listed(self) -> None:
        state = make_state()
        held = state.admit(WORKER, ENGINE, FIRST).node.ledger

        state.set_listing({("default", "worker"): frozenset({N0})}, held)
        assert reasons(state.snapshot()) == {}
        state.set_listing({}, held)
        assert reasons(state.snapshot()) == {N0: Reason.SET_CONTESTED}
        state.gone(WORKER)
        assert reasons(state.snapshot()) == {}

    def test_that_says_the_same_wakes_nobody(self) -> None:
        state = make_state()
        state.rebuild([WORKER], [(WORKER, make_container(assignment="{"))])
        state.set_listing({}, Ledger())
        version = state.version

        state.set_listing({}, Ledger())

        assert state.version == version


class TestWhileTheRuntimeWaits:
    def test_nobody_looks_at_what_changes_until_it_is_answered(self) -> None:
        state = make_state()
        looked = threading.Event()
        version = state.version

        def look() -> None:
            state.wait(version, 2 * PATIENCE_S)
            looked.set()

        thread = threading.Thread(target=look)
        with state.answering():
            thread.start()
            state.wake()
            assert not looked.wait(0.2)
        assert looked.wait(PATIENCE_S)
        thread.join()

    def test_nobody_waits_longer_than_he_would(self) -> None:
        state = make_state()

        with state.answering():
            version = state.version
            state.wake()
            state.wait(version, 0.05)

        state.wait(version, FOR_EVER_S)  # at once, as it is another one


class TestWhatStartedWhileTheAgentWasAway:
    def test_is_told_for_as_long_as_it_lives(self) -> None:
        state = make_state()

        now = state.rebuild([WORKER], [(WORKER, ENGINE)])

        assert reasons(now) == {"default/worker/engine": Reason.STARTED_UNBOUND}
        assert now.required_plugins is RequiredPlugins.UNKNOWN
        state.stopped(WORKER.uid, ENGINE.id)
        assert reasons(state.snapshot()) == {}

    def test_is_no_alarm_of_a_pod_that_takes_less(self) -> None:
        state = make_state()
        loose = replace(WORKER, annotations={names.ANNOTATION_ENFORCEMENT: "BestEffort"})

        now = state.rebuild([loose], [(loose, ENGINE)])

        assert reasons(now) == {}
        assert not state.counters.now().counts.get((Count.UNBOUND_STARTS, ""))

    @pytest.mark.parametrize(
        ("listed", "seen"),
        [
            ("[numalocal]", RequiredPlugins.NOT_ENFORCED),
            ("- 10-numalocal\n- other\n", RequiredPlugins.NOT_ENFORCED),
            ("[numalocal-repair, my-numalocal]", RequiredPlugins.UNKNOWN),
            ("", RequiredPlugins.UNKNOWN),
        ],
    )
    def test_shows_that_the_runtime_does_not_require_what_its_pod_does(
        self, listed: str, seen: RequiredPlugins
    ) -> None:
        state = make_state()
        strict = replace(WORKER, annotations={names.ANNOTATION_REQUIRED_PLUGINS: listed})

        now = state.rebuild([strict], [(strict, ENGINE)])

        assert now.required_plugins is seen
        state.runtime_validates(enforced=True)  # the runtime's own word is of now
        assert state.snapshot().required_plugins is RequiredPlugins.ENFORCED

    def test_is_not_what_was_born_bound(self) -> None:
        born = ENGINE._replace(variables={"NUMALOCAL_RANK_COMPUTE_CPUS": "3"})

        assert reasons(make_state().rebuild([WORKER], [(WORKER, born)])) == {}

    def test_is_no_container_that_merely_stands_by(self) -> None:
        pod = make_pod("x", bound_containers="check")
        state = make_state()
        state.set_listing({("default", "x"): frozenset({N1})}, Ledger())

        assert reasons(state.rebuild([pod], [(pod, make_container("check"))])) == {}


def test_a_container_of_which_nothing_is_online_is_told() -> None:
    state = make_state()
    state.rebuild(
        [WORKER], [(WORKER, ENGINE._replace(variables={"NUMALOCAL_RANK_COMPUTE_CPUS": ""}))]
    )

    state.set_machine(machine("0-1,4-7"))

    assert reasons(state.snapshot())["default/worker/engine"] == Reason.NOT_BOUND


def test_every_part_tells_its_own_refusals_and_takes_them_back() -> None:
    state = make_state()
    unmet = Refusal(reason=Reason.POOL_UNMET, message="no", subject="big")
    state.refuse("pools", [unmet])
    state.refuse("other", [])
    assert state.snapshot().refusals == (unmet,)

    state.refuse("pools")

    assert state.snapshot().refusals == ()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda state: state.set_machine(machine("0-6")), id="machine"),
        pytest.param(lambda state: state.set_policy(Policy.STATIC), id="policy"),
        pytest.param(lambda state: state.runtime_lost(), id="runtime"),
        pytest.param(lambda state: state.admit(WORKER, ENGINE, FIRST), id="admission"),
        pytest.param(lambda state: state.created(WORKER, ENGINE), id="creation"),
        pytest.param(lambda state: state.rebuild([WORKER], []), id="list"),
        pytest.param(lambda state: state.wake(), id="wake"),
    ],
)
def test_every_change_wakes_who_waits(change: Callable[[State], object]) -> None:
    state, woken = make_state(), threading.Event()
    version = state.version

    def waiter() -> None:
        state.wait(version, 2 * PATIENCE_S)
        woken.set()

    thread = threading.Thread(target=waiter, daemon=True)
    thread.start()
    change(state)

    assert woken.wait(PATIENCE_S)
    thread.join()


def test_a_change_before_the_wait_is_not_slept_through() -> None:
    state = make_state()
    version = state.version
    state.wake()

    state.wait(version, FOR_EVER_S)


def test_what_is_the_same_is_no_change() -> None:
    state = make_state()
    version = state.version

    state.set_policy(Policy.NONE)
    state.set_machine(make_machine())
    state.stopped("nobody", "nothing")
    state.gone(WORKER)

    assert state.version == version
    assert state.snapshot() is state.snapshot()
