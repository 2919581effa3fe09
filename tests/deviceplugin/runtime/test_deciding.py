import pytest

from numalocal.idset import IdSet
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.correcting import Cpuset, corrections
from numalocal_deviceplugin.errors import BindingRefused, CpusHeld
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.runtime.deciding import create, update, within
from numalocal_deviceplugin.settings import Idle, Settings
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State

from ..nodes import (
    N0,
    N1,
    SHARED,
    make_container,
    make_partition,
    make_pod,
    make_state,
    no_devices,
)

WORKER, WEB = make_pod(), make_pod("web-0")
ASSIGNED = Assignment.of([make_partition().by_id[N0]]).to_json()
ENGINE = make_container(assignment=ASSIGNED)
NOTHING = Cpuset(IdSet(), IdSet())
ALL = Cpuset(IdSet.parse("0-7"), IdSet.parse("0-1"))


@pytest.fixture
def state() -> State:
    return make_state(settings=Settings(idle=Idle.EXCLUSIVE))


def known(state: State, pod: Pod, container: Container) -> Container:
    """Give a container as the ledger has it."""
    return state.snapshot().node.ledger.tenants[pod.uid].containers[container.id]


class TestACreation:
    def test_binds_a_worker_and_lets_its_pod_hold_its_cpus(self, state: State) -> None:
        bound, back = create(state, WORKER, ENGINE, no_devices)

        assert bound is not None
        assert (str(bound.cpus), str(bound.mems), back) == ("2-3", "0", ())
        assert str(state.snapshot().node.ledger.held) == "2-3"

    def test_binds_any_other_to_the_shared_cpus_and_lets_it_hold_nothing(
        self, state: State
    ) -> None:
        bound, back = create(state, WEB, make_container("web"), no_devices)

        assert bound is not None
        assert (str(bound.cpus), str(bound.mems), back) == (SHARED, "", ())
        assert not state.snapshot().node.ledger.held

    def test_asks_the_kubelet_for_who_is_bound_without_requesting(self, state: State) -> None:
        pod = make_pod(bound_containers="fetch")

        bound, _ = create(state, pod, make_container("fetch"), lambda _namespace, _name: [N1])

        assert bound is not None
        assert str(bound.cpus) == "6-7"

    def test_leaves_the_container_in_the_ledger_as_the_runtime_will_have_it(
        self, state: State
    ) -> None:
        create(state, WORKER, ENGINE, no_devices)

        now = known(state, WORKER, ENGINE)
        assert (str(now.cpus), str(now.mems)) == ("2-3", "0")
        assert (now.live, now.runs, now.command) == (True, False, ())
        assert corrections(state.snapshot().node) == ()

    def test_of_who_hides_our_variables_is_not_told_as_without_us(self, state: State) -> None:
        engine = make_container(assignment=ASSIGNED, env=["NUMALOCAL_CPUS"])

        create(state, WORKER, engine, no_devices)

        assert state.snapshot().refusals == ()

    def test_takes_back_what_was_lent_and_does_so_once(self) -> None:
        state, web = make_state(), make_container("web")
        create(state, WEB, web, no_devices)
        assert str(known(state, WEB, web).cpus) == "0-7"

        _, (back,) = create(state, WORKER, ENGINE, no_devices)
        state.stopped(WORKER.uid, ENGINE.id)
        _, again = create(state, WORKER, ENGINE, no_devices)

        assert (back.container.name, str(back.binding.cpus)) == ("web", "0-1,4-7")
        assert again == ()
        assert str(known(state, WEB, web).cpus) == "0-1,4-7"

    def test_that_is_refused_as_another_pod_holds_its_cpus_leaves_nothing(
        self, state: State
    ) -> None:
        create(state, WORKER, ENGINE, no_devices)

        with pytest.raises(CpusHeld, match="still held by pod default/llama-0"):
            create(state, WEB, ENGINE, no_devices)
        assert [*state.snapshot().node.ledger.tenants] == [WORKER.uid]

    def test_that_is_refused_for_another_reason_leaves_its_pod_what_the_kubelet_gave_it(
        self, state: State
    ) -> None:
        machine = state.snapshot().node.machine
        state.set_machine(machine.with_online(machine.online - {2, 3}))

        with pytest.raises(BindingRefused, match="CPU 2-3 of its CPU sets is not online"):
            create(state, WORKER, ENGINE, no_devices)
        now = state.snapshot().node.ledger
        assert (str(now.held), now.containers) == ("2-3", [])

    @pytest.mark.parametrize("policy", [Policy.UNKNOWN, Policy.STATIC])
    def test_leaves_alone_where_another_pins(self, policy: Policy) -> None:
        state, web = make_state(policy=policy), make_container("web", cpus="4-5")

        assert create(state, WEB, web, no_devices) == (None, ())
        assert str(known(state, WEB, web).cpus) == "4-5"


class TestAnUpdate:
    def test_keeps_a_workers_binding_whatever_is_asked(self, state: State) -> None:
        create(state, WORKER, ENGINE, no_devices)

        bound = update(state, WORKER, ENGINE, ALL)

        assert bound is not None
        assert (str(bound.cpus), str(bound.mems)) == ("2-3", "0")
        assert str(known(state, WORKER, ENGINE).cpus) == "2-3"

    def test_keeps_others_on_the_shared_cpus(self, state: State) -> None:
        web = make_container("web")
        create(state, WEB, web, no_devices)

        bound = update(state, WEB, web, NOTHING)

        assert bound is not None
        assert (str(bound.cpus), str(bound.mems)) == (SHARED, "")

    def test_is_never_refused_for_a_cpu_that_is_offline(self, state: State) -> None:
        create(state, WORKER, ENGINE, no_devices)
        machine = state.snapshot().node.machine
        state.set_machine(machine.with_online(machine.online - {2}))

        bound = update(state, WORKER, ENGINE, NOTHING)

        assert bound is not None
        assert str(bound.cpus) == "3"

    def test_by_a_kubelet_that_pins_is_remembered_and_mended_later(self, state: State) -> None:
        create(state, WORKER, ENGINE, no_devices)
        state.set_policy(Policy.STATIC)

        assert update(state, WORKER, ENGINE, ALL) is None

        assert str(known(state, WORKER, ENGINE).mems) == "0-1"
        state.set_policy(Policy.NONE)
        (wrong,) = corrections(state.snapshot().node)
        assert (str(wrong.now.cpus), str(wrong.binding.cpus)) == ("0-7", "2-3")

    def test_of_who_waits_for_the_kubelets_word_gives_what_is_asked(self, state: State) -> None:
        pod = make_pod(bound_containers="fetch")
        fetch = make_container("fetch", cpus="6-7", mems="1")
        state.rebuild([pod], [(pod, fetch)])
        assert state.snapshot().facts.undecided == {fetch.id}

        assert update(state, pod, fetch, NOTHING) is None
        assert str(known(state, pod, fetch).cpus) == "6-7"


@pytest.mark.parametrize(("budget_s", "limit_s"), [(2.0, 1.0), (60.0, 1.0), (0.5, 0.25)])
def test_the_kubelet_is_given_half_of_the_time_and_a_second_at_most(
    budget_s: float, limit_s: float
) -> None:
    asked: list[tuple[str, str, float]] = []

    def devices_within(namespace: str, name: str, timeout_s: float) -> list[str]:
        asked.append((namespace, name, timeout_s))
        return [N1]

    assert within(devices_within, budget_s)("default", "llama-0") == [N1]
    assert asked == [("default", "llama-0", limit_s)]
