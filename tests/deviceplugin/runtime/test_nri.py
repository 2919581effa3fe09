import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from numalocal.idset import IdSet
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.binding import Binding
from numalocal_deviceplugin.correcting import Correction, Cpuset
from numalocal_deviceplugin.deviceids import sets_named
from numalocal_deviceplugin.errors import CallFailed, ConnectionLost
from numalocal_deviceplugin.runtime import nri
from numalocal_deviceplugin.runtime.deciding import DevicesWithin
from numalocal_deviceplugin.settings import Idle, Settings
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as wire

from ..fake_runtime import FakeRuntime, Session
from ..nodes import N0, SHARED, gives_out, make_container, make_partition, make_pod, make_state
from ..waiting import PATIENCE_S, until

QUICK = nri.Timing(
    register_s=PATIENCE_S,
    connect_s=PATIENCE_S,
    retry_first_s=0.01,
    retry_ceiling_s=0.02,
    poll_s=0.005,
    rest_s=0.005,
    correct_s=PATIENCE_S,
    answer_s=PATIENCE_S,
)
ASSIGNED = Assignment.of(sets_named(make_partition().sets, [N0])).to_json()
WORKER = wire.CreateContainerRequest(
    pod=wire.PodSandbox(id="p", uid="u", name="llama-0", namespace="default"),
    container=wire.Container(
        id="c",
        pod_sandbox_id="p",
        name="engine",
        annotations={"assignment.numalocal.io/cpuset": ASSIGNED},
    ),
)


def no_devices(namespace: str, name: str, timeout_s: float) -> Sequence[str]:
    raise AssertionError("asked")


EXCLUSIVE = Settings(idle=Idle.EXCLUSIVE, grace_s=10 * PATIENCE_S)


class Agent:
    """The NRI half of an agent, running."""

    def __init__(
        self,
        path: Path,
        state: State,
        timing: nri.Timing = QUICK,
        devices_within: DevicesWithin = no_devices,
    ) -> None:
        self.state = state
        self.stop = threading.Event()
        self.link = nri.Link(path, state, devices_within, timing, "10")
        self.thread = threading.Thread(target=self.link.run, args=(self.stop,), daemon=True)
        self.thread.start()

    @property
    def bindable(self) -> bool:
        return gives_out(self.state)

    def end(self) -> None:
        self.stop.set()
        self.link.wake()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


class SoonSet(threading.Event):
    """Is set as soon as somebody has looked once."""

    def is_set(self) -> bool:
        was = super().is_set()
        self.set()
        return was


@pytest.fixture
def path(run_dir: Path) -> Path:
    return run_dir / "nri.sock"


@pytest.fixture
def agent(path: Path) -> Iterator[Agent]:
    running = Agent(path, make_state(synchronized=False, settings=EXCLUSIVE))
    yield running
    running.end()


def registered(runtime: FakeRuntime) -> Session:
    session = runtime.accept()
    session.register()
    return session


def synchronized(runtime: FakeRuntime, agent: Agent) -> Session:
    session = registered(runtime)
    session.synchronize()
    until(lambda: agent.bindable, "synchronized")
    return session


def test_the_plugin_registers_by_name_and_index_and_serves(path: Path, agent: Agent) -> None:
    with FakeRuntime(path) as runtime:
        session = runtime.accept()
        request = session.register()
        assert (request.plugin_name, request.plugin_idx) == ("numalocal", "10")

        session.synchronize()
        answer = session.call("CreateContainer", WORKER.SerializeToString())

        adjust = wire.CreateContainerResponse.FromString(answer.payload).adjust
        assert adjust.linux.resources.cpu.cpus == "2-3"


def test_sets_are_given_out_once_the_runtime_is_synchronized(path: Path, agent: Agent) -> None:
    with FakeRuntime(path) as runtime:
        session = registered(runtime)
        assert not agent.bindable

        session.synchronize()

        until(lambda: agent.bindable, "sets are healthy")


def test_a_long_synchronization_is_answered_in_pieces(path: Path, agent: Agent) -> None:
    containers = [
        wire.Container(id=f"{number:064}", pod_sandbox_id="p", name="web", state=3)  # type: ignore[arg-type]  # CONTAINER_RUNNING
        for number in range(300)
    ]
    request = wire.SynchronizeRequest(pods=[WORKER.pod], containers=containers)
    with FakeRuntime(path) as runtime:
        session = registered(runtime)

        response = session.synchronize(request)

        assert len(response.update) == 300
        assert {one.linux.resources.cpu.cpus for one in response.update} == {SHARED}
        assert max(session.pieces) == 4096


def test_a_synchronization_in_parts_is_acknowledged_part_by_part(path: Path, agent: Agent) -> None:
    with FakeRuntime(path) as runtime:
        session = registered(runtime)

        part = session.synchronize(wire.SynchronizeRequest(pods=[WORKER.pod], more=True))
        assert (part.more, len(part.update)) == (True, 0)
        worker = wire.Container.FromString(WORKER.container.SerializeToString())
        worker.state = wire.CONTAINER_CREATED
        last = session.synchronize(wire.SynchronizeRequest(containers=[worker]))

        assert (last.more, [one.container_id for one in last.update]) == (False, ["c"])


def test_a_refusal_is_an_error_to_the_runtime(path: Path, agent: Agent) -> None:
    damaged = wire.CreateContainerRequest.FromString(WORKER.SerializeToString())
    damaged.container.annotations["assignment.numalocal.io/cpuset"] = "{"
    with FakeRuntime(path) as runtime:
        session = registered(runtime)

        answer = session.call("CreateContainer", damaged.SerializeToString())

        assert answer.code == 9
        assert answer.message.startswith("pod default/llama-0, container engine: annotation")


def test_events_that_newer_runtimes_call_by_name_are_unimplemented(
    path: Path, agent: Agent
) -> None:
    with FakeRuntime(path) as runtime:
        session = registered(runtime)

        codes = {name: session.call(name).code for name in ("RunPodSandbox", "StartContainer")}

        assert codes == {"RunPodSandbox": 12, "StartContainer": 12}


def test_the_plugin_comes_back_after_the_runtime_went_without_a_word(
    path: Path, agent: Agent
) -> None:
    with FakeRuntime(path) as runtime:
        session = registered(runtime)
        session.synchronize()
        until(lambda: agent.bindable, "sets are healthy")
    path.unlink()

    with FakeRuntime(path) as runtime:
        session = registered(runtime)
        assert session.synchronize().update == []
        assert agent.bindable  # a restart of the runtime is within the grace


def test_sets_are_not_given_out_once_the_runtime_was_gone_for_the_grace(path: Path) -> None:
    agent = Agent(path, make_state(synchronized=False, settings=Settings(grace_s=0)))
    with FakeRuntime(path) as runtime:
        registered(runtime).synchronize()
        until(lambda: agent.bindable, "sets are healthy")

    until(lambda: not agent.bindable, "sets are unhealthy")
    agent.end()


def test_what_an_ended_connection_had_collected_is_forgotten(path: Path, agent: Agent) -> None:
    half = wire.SynchronizeRequest(
        pods=[WORKER.pod],
        containers=[wire.Container(id="c", pod_sandbox_id="p", state=wire.CONTAINER_RUNNING)],
        more=True,
    )
    with FakeRuntime(path) as runtime:
        first = registered(runtime)
        first.synchronize(half)
        first.close()

        second = registered(runtime)

        assert second.synchronize().update == []


def test_a_registration_that_is_refused_is_tried_again(path: Path, agent: Agent) -> None:
    with FakeRuntime(path) as runtime:
        session = runtime.accept()
        session.reply(session.request().stream, code=2, message="index taken")

        registered(runtime).synchronize()

        until(lambda: agent.bindable, "sets are healthy")


def test_a_registration_without_an_answer_is_tried_again_on_a_new_connection(path: Path) -> None:
    with FakeRuntime(path) as runtime:
        agent = Agent(path, make_state(synchronized=False), replace(QUICK, register_s=0.1))
        silent = runtime.accept()
        silent.request()

        again = runtime.accept()

        with pytest.raises(EOFError):
            silent.request()
        assert again.request().method == "RegisterPlugin"
        agent.end()


def test_an_absent_runtime_is_reported_and_awaited(
    path: Path, agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    until(lambda: caplog.text.count("NRI is not available") > 1, "told more than once")
    assert not agent.bindable

    with FakeRuntime(path) as runtime:
        registered(runtime).synchronize()
        until(lambda: agent.bindable, "sets are healthy")


def test_stopping_closes_the_connection_at_once(path: Path) -> None:
    with FakeRuntime(path) as runtime:
        agent = Agent(path, make_state(synchronized=False, settings=EXCLUSIVE))
        session = registered(runtime)

        agent.end()

        with pytest.raises(EOFError):
            session.answer()


def test_one_that_is_told_to_stop_while_it_connects_does_not_register(path: Path) -> None:
    timing = replace(QUICK, register_s=PATIENCE_S)
    link = nri.Link(path, make_state(synchronized=False), no_devices, timing, "10")
    with FakeRuntime(path) as runtime:
        link.run(SoonSet())

        with pytest.raises(EOFError):
            runtime.accept().request()


def test_stopping_wakes_who_waits_for_the_end_alone(path: Path) -> None:
    with FakeRuntime(path) as runtime:
        seldom = replace(QUICK, rest_s=2 * PATIENCE_S)
        agent = Agent(path, make_state(synchronized=False, settings=EXCLUSIVE), seldom)
        synchronized(runtime, agent)

        agent.end()


def test_registration_waits_longer_than_the_runtimes_own_limit() -> None:
    # One plugin that connects and never registers holds up all others for 5 s.
    assert nri.Timing().register_s > 10


class TestACorrection:
    correction = Correction(
        pod=make_pod(),
        container=make_container(),
        now=Cpuset(IdSet.parse("0-7"), IdSet()),
        binding=Binding(cpus=IdSet.parse("2-3"), mems=IdSet.parse("0"), environment={}),
    )

    def test_is_the_answer_of_a_second_plugin_that_goes_at_once(
        self, path: Path, agent: Agent
    ) -> None:
        """The call for it would wait for ever where a container is being made."""
        with FakeRuntime(path) as runtime, ThreadPoolExecutor(1) as other:
            first = synchronized(runtime, agent)

            done = other.submit(agent.link.correct, lambda: [self.correction])
            second = runtime.accept()
            request = second.register()
            part = second.synchronize(wire.SynchronizeRequest(more=True))
            last = second.synchronize()
            done.result(PATIENCE_S)
            with pytest.raises(EOFError):
                second.request()

            assert (request.plugin_name, request.plugin_idx) == ("numalocal-repair", "10")
            assert (part.more, len(part.update)) == (True, 0)
            (one,) = last.update
            cpu = one.linux.resources.cpu
            assert (one.container_id, cpu.cpus, cpu.mems) == ("id-of-engine", "2-3", "0")
            assert one.ignore_failure
            assert first.call("CreateContainer", WORKER.SerializeToString()).code == 0

    def test_hears_of_nothing_that_changes_anything(self, path: Path, agent: Agent) -> None:
        with FakeRuntime(path) as runtime, ThreadPoolExecutor(1) as other:
            synchronized(runtime, agent)
            done = other.submit(agent.link.correct, list)
            second = runtime.accept()
            second.reply(second.request().stream)
            answer = second.call("Configure", wire.ConfigureRequest().SerializeToString())
            events = wire.ConfigureResponse.FromString(answer.payload).events
            removed = wire.StateChangeEvent(event=wire.REMOVE_POD_SANDBOX, pod=WORKER.pod)
            assert second.call("StateChange", removed.SerializeToString()).code == 0
            second.synchronize()
            done.result(PATIENCE_S)

        assert events == 1 << 2  # 0 would be all

    def test_is_chosen_only_when_the_runtime_asks(self, path: Path, agent: Agent) -> None:
        chosen: list[str] = []

        def choose() -> list[Correction]:
            chosen.append("now")
            return []

        with FakeRuntime(path) as runtime, ThreadPoolExecutor(1) as other:
            synchronized(runtime, agent)
            done = other.submit(agent.link.correct, choose)
            second = runtime.accept()
            second.register()
            assert chosen == []
            second.synchronize()
            done.result(PATIENCE_S)

        assert chosen == ["now"]

    def test_without_a_runtime_fails_at_once(self, agent: Agent) -> None:
        with pytest.raises(ConnectionLost):
            agent.link.correct(list)

    def test_that_the_runtime_does_not_ask_for_fails(self, path: Path) -> None:
        agent = Agent(path, make_state(synchronized=False), replace(QUICK, correct_s=0.1))
        with FakeRuntime(path) as runtime, ThreadPoolExecutor(1) as other:
            synchronized(runtime, agent)

            done = other.submit(agent.link.correct, list)
            second = runtime.accept()
            second.register()

            with pytest.raises(CallFailed, match="did not ask what to correct in time"):
                done.result(PATIENCE_S)
        agent.end()

    def test_whose_plugin_is_refused_fails(self, path: Path, agent: Agent) -> None:
        with FakeRuntime(path) as runtime, ThreadPoolExecutor(1) as other:
            synchronized(runtime, agent)

            done = other.submit(agent.link.correct, list)
            second = runtime.accept()
            second.reply(second.request().stream, code=2, message="no more plugins")

            with pytest.raises(CallFailed, match="no more plugins"):
                done.result(PATIENCE_S)
