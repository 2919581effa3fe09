"""What CRI-O says, as its sources tell it: nothing of ours was ever run on one.

It copies the annotations of a pod into each of its containers, beside its own; a container that is
being created has no state; one that could not be created is stopped and removed, and one that ended
of itself is stopped when it is removed.  The last of the updates in an answer to UpdateContainer is
for the container itself.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.deviceids import sets_named
from numalocal_deviceplugin.facts import RequiredPlugins
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as wire

from ..fake_runtime import Answer, FakeRuntime, Session
from ..nodes import N0, N1, make_partition, make_state
from ..waiting import until
from .test_nri import EXCLUSIVE, Agent

ASSIGNMENT = "assignment.numalocal.io/cpuset"
OF_POD = {
    "kubernetes.io/config.source": "api",
    "numalocal.io/bound-containers": "numalocal-check",
    "numalocal.io/container": "engine",
    "numalocal.io/engine": "openmp",
}


def assigned(*ids: str) -> str:
    return Assignment.of(sets_named(make_partition().sets, ids)).to_json()


def pod(name: str, annotations: Mapping[str, str] = OF_POD) -> wire.PodSandbox:
    return wire.PodSandbox(
        id=f"sandbox-{name}", uid=f"uid-{name}", name=name, namespace="x", annotations=annotations
    )


def container(
    of: wire.PodSandbox, name: str, annotations: Mapping[str, str] | None = None
) -> wire.Container:
    """Make a container; `annotations` are those of the kubelet, with a device plugin's words."""
    identity = f"{of.name}-{name}"
    own = {
        "io.container.manager": "cri-o",
        "io.kubernetes.container.name": name,
        "io.kubernetes.cri-o.Annotations": json.dumps(dict(of.annotations)),
        "io.kubernetes.cri-o.ContainerID": identity,
        "io.kubernetes.cri-o.SandboxID": of.id,
    }
    return wire.Container(
        id=identity,
        pod_sandbox_id=of.id,
        name=name,
        annotations={**of.annotations, **own, **(annotations or {})},
        env=["PATH=/bin", "HOSTNAME=x", "container=oci"],
        linux=wire.LinuxContainer(cgroups_path=f"kubepods-podx.slice:crio:{identity}"),
    )


class Crio:
    """CRI-O's side of one connection."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def configure(self, nri_version: str = "") -> int:
        """Take the registration; give the events that are asked for."""
        asked = self._session.request()
        request = wire.ConfigureRequest(
            runtime_name="cri-o",
            runtime_version="1.35.1",
            registration_timeout=5000,
            request_timeout=2000,
            nri_version=nri_version,
        )
        answer = self.call("Configure", request.SerializeToString())
        self._session.reply(asked.stream)
        return wire.ConfigureResponse.FromString(answer.payload).events

    def call(self, method: str, payload: bytes) -> Answer:
        return self._session.call(method, payload)

    def create(self, of: wire.PodSandbox, one: wire.Container) -> Answer:
        request = wire.CreateContainerRequest(pod=of, container=one)
        answer = self.call("CreateContainer", request.SerializeToString())
        if answer.code:  # CRI-O takes back what it had begun
            self.remove(of, one)
        return answer

    def adjusted(self, of: wire.PodSandbox, one: wire.Container) -> tuple[str, str]:
        answer = self.create(of, one)
        assert answer.code == 0, answer.message
        cpu = wire.CreateContainerResponse.FromString(answer.payload).adjust.linux.resources.cpu
        return cpu.cpus, cpu.mems

    def remove(self, of: wire.PodSandbox, one: wire.Container) -> None:
        about = wire.StopContainerRequest(pod=of, container=one).SerializeToString()
        assert self.call("StopContainer", about).code == 0
        self._event("RemoveContainer", wire.REMOVE_CONTAINER, about, of, one)

    def end(self, of: wire.PodSandbox) -> None:
        about = wire.StopPodSandboxRequest(pod=of).SerializeToString()
        for method, event in (
            ("StopPodSandbox", wire.STOP_POD_SANDBOX),
            ("RemovePodSandbox", wire.REMOVE_POD_SANDBOX),
        ):
            self._event(method, event, about, of, None)

    def _event(
        self,
        method: str,
        event: wire.Event,
        about: bytes,
        of: wire.PodSandbox,
        one: wire.Container | None,
    ) -> None:
        raise NotImplementedError


class Older(Crio):
    """With an NRI before 0.12: every event is a change of state."""

    def _event(
        self,
        method: str,
        event: wire.Event,
        about: bytes,
        of: wire.PodSandbox,
        one: wire.Container | None,
    ) -> None:
        change = wire.StateChangeEvent(event=event, pod=of, container=one)
        assert self.call("StateChange", change.SerializeToString()).code == 0


class Newer(Crio):
    """With NRI 0.12: every event has a method."""

    def _event(
        self,
        method: str,
        event: wire.Event,
        about: bytes,
        of: wire.PodSandbox,
        one: wire.Container | None,
    ) -> None:
        assert self.call(method, about).code == 0


@pytest.fixture
def path(run_dir: Path) -> Path:
    return run_dir / "nri.sock"


@pytest.fixture
def agent(path: Path) -> Iterator[Agent]:
    state = make_state(synchronized=False, settings=EXCLUSIVE)
    running = Agent(path, state, devices_within=lambda namespace, name, timeout_s: [N0])
    yield running
    running.end()


@pytest.fixture(params=[(Older, ""), (Newer, "v0.12.0")], ids=["NRI 0.10", "NRI 0.12"])
def crio(request: pytest.FixtureRequest, path: Path, agent: Agent) -> Iterator[Crio]:
    """A CRI-O that has just connected and lists nothing."""
    kind, version = request.param
    with FakeRuntime(path) as runtime:
        session = runtime.accept()
        made: Crio = kind(session)
        made.configure(version)
        session.synchronize()
        until(lambda: agent.bindable, "the agent to serve")
        yield made


def test_it_is_named_in_what_the_agent_tells(crio: Crio, agent: Agent) -> None:
    told = agent.state.snapshot().facts.runtime.told

    assert (told.name, told.version) == ("cri-o", "1.35.1")


def test_a_worker_lives_and_its_set_is_free_when_its_sandbox_has_ended(
    crio: Crio, agent: Agent
) -> None:
    one = pod("llama-0")
    engine = container(one, "engine", {ASSIGNMENT: assigned(N0)})

    assert crio.adjusted(one, container(one, "numalocal-check")) == ("2-3", "0")
    assert crio.adjusted(one, engine) == ("2-3", "0")
    crio.remove(one, engine)
    assert str(agent.state.snapshot().node.ledger.held) == "2-3"
    crio.end(one)

    assert not agent.state.snapshot().node.ledger.held
    other = pod("llama-1")
    late = container(other, "engine", {ASSIGNMENT: assigned(N0)})
    assert crio.adjusted(other, late) == ("2-3", "0")


def test_an_assignment_that_a_pod_gives_itself_is_refused_in_each_of_its_containers(
    crio: Crio, agent: Agent
) -> None:
    liar = pod("liar", {"kubernetes.io/config.source": "api", ASSIGNMENT: assigned(N0)})

    answers = [crio.create(liar, container(liar, name)) for name in ("first", "engine")]

    assert [one.code for one in answers] == [9, 9]
    assert all(ASSIGNMENT in one.message for one in answers)
    assert not agent.state.snapshot().node.ledger.held


def test_one_that_another_pod_holds_is_refused_and_taken_back(crio: Crio, agent: Agent) -> None:
    first, second = pod("first"), pod("second")
    crio.adjusted(first, container(first, "engine", {ASSIGNMENT: assigned(N0)}))

    answer = crio.create(second, container(second, "engine", {ASSIGNMENT: assigned(N0)}))

    assert answer.code == 9
    assert "first" in answer.message
    (held,) = agent.state.snapshot().node.ledger.tenants
    assert held == first.uid


def test_an_update_keeps_the_binding_by_its_last_word(crio: Crio) -> None:
    one = pod("llama-0")
    engine = container(one, "engine", {ASSIGNMENT: assigned(N1)})
    crio.adjusted(one, engine)

    request = wire.UpdateContainerRequest(pod=one, container=engine)
    request.linux_resources.cpu.cpus = "0-7"
    answer = crio.call("UpdateContainer", request.SerializeToString())

    (*others, last) = wire.UpdateContainerResponse.FromString(answer.payload).update
    assert others == []
    assert last.container_id == engine.id
    assert last.linux.resources.cpu.cpus == "6-7"


def test_a_restarted_agent_takes_over_what_is_listed(path: Path, agent: Agent) -> None:
    """Its list has the annotations as the container's specification keeps them."""
    one, other = pod("llama-0"), pod("web-0", {"kubernetes.io/config.source": "api"})
    engine = container(one, "engine", {ASSIGNMENT: assigned(N0)})
    engine.linux.resources.cpu.cpus, engine.linux.resources.cpu.mems = "2-3", "0"
    web = container(other, "web")
    for each in (engine, web):
        each.state = wire.CONTAINER_RUNNING
    with FakeRuntime(path) as runtime:
        session = runtime.accept()
        Newer(session).configure("v0.12.0")
        listed = wire.SynchronizeRequest(pods=[one, other], containers=[engine, web])
        answer = session.synchronize(listed)

    moved = {each.container_id: each.linux.resources.cpu.cpus for each in answer.update}
    assert moved == {web.id: "0-1,4-5"}
    assert str(agent.state.snapshot().node.ledger.held) == "2-3"


@pytest.mark.parametrize(
    ("version", "asks"), [("", False), ("v0.12.3", True), ("unknown", True)], ids=str
)
def test_only_an_nri_that_knows_the_validation_is_asked_for_it(
    path: Path, agent: Agent, version: str, *, asks: bool
) -> None:
    with FakeRuntime(path) as runtime:
        events = Newer(runtime.accept()).configure(version)

    assert bool(events & 1 << 13) is asks


def test_its_validator_is_seen(path: Path, agent: Agent) -> None:
    one = pod("llama-0")
    plugins = [("default-validator", "00"), ("numalocal", "10")]
    request = wire.ValidateContainerAdjustmentRequest(
        plugins=[wire.PluginInstance(name=name, index=index) for name, index in plugins]
    )
    with FakeRuntime(path) as runtime:
        session = runtime.accept()
        crio = Newer(session)
        crio.configure("v0.12.0")
        session.synchronize()
        crio.adjusted(one, container(one, "engine", {ASSIGNMENT: assigned(N0)}))
        assert crio.call("ValidateContainerAdjustment", request.SerializeToString()).code == 0
        seen = agent.state.snapshot().facts.runtime.required_plugins

    assert seen is RequiredPlugins.ENFORCED
