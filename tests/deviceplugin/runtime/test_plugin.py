from collections.abc import Callable, Sequence

import pytest

from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.correcting import corrections
from numalocal_deviceplugin.deviceids import sets_named
from numalocal_deviceplugin.errors import BindingRefused, CpusHeld, DevicesUnknown
from numalocal_deviceplugin.facts import RequiredPlugins
from numalocal_deviceplugin.refusals import Reason
from numalocal_deviceplugin.runtime import messages
from numalocal_deviceplugin.runtime.plugin import SERVICE, Plugin
from numalocal_deviceplugin.settings import Idle, Settings
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

from ..nodes import N0, N1, SHARED, make_partition, make_state

BUDGET_S = 2.0
ANNOTATION = "assignment.numalocal.io/cpuset"
ASSIGNED = Assignment.of(sets_named(make_partition().sets, [N0])).to_json()
LISTED = {("default", "llama-0"): frozenset({N1})}
OLD = '{"sets":[{"id":"cpuset-n0-c1x3","pool":"cpuset","cpus":"1-3","numaNode":0,"memoryBytes":1}]}'

POD = nri.PodSandbox(
    id="p1",
    uid="u1",
    name="llama-0",
    namespace="default",
    annotations={
        "numalocal.io/bound-containers": "numalocal-check",
        "numalocal.io/container": "engine",
        "numalocal.io/engine": "openmp",
    },
)
OTHER_POD = nri.PodSandbox(id="p2", uid="u2", name="web-0", namespace="default")

DevicesWithin = Callable[[str, str, float], Sequence[str]]


def container(
    name: str,
    *,
    pod: str = "p1",
    assignment: str = "",
    cpus: str = "",
    mems: str = "",
    env: Sequence[str] = (),
    state: nri.ContainerState = nri.CONTAINER_RUNNING,
) -> nri.Container:
    return nri.Container(
        id=f"id-{name}",
        pod_sandbox_id=pod,
        name=name,
        state=state,
        env=env,
        annotations={ANNOTATION: assignment} if assignment else {},
        linux=nri.LinuxContainer(
            resources=nri.LinuxResources(cpu=nri.LinuxCPU(cpus=cpus, mems=mems))
        ),
    )


def no_devices(namespace: str, name: str, timeout_s: float) -> list[str]:
    raise AssertionError("asked")


def create(
    plugin: Plugin, one: nri.Container, pod: nri.PodSandbox = POD, budget_s: float = BUDGET_S
) -> nri.ContainerAdjustment:
    request = nri.CreateContainerRequest(pod=pod, container=one)
    answer = plugin.create_container(request.SerializeToString(), budget_s)
    return nri.CreateContainerResponse.FromString(answer).adjust


def synchronize(
    plugin: Plugin, *containers: nri.Container, more: bool = False
) -> nri.SynchronizeResponse:
    request = nri.SynchronizeRequest(pods=[POD, OTHER_POD], containers=containers, more=more)
    answer = plugin.synchronize(request.SerializeToString(), BUDGET_S)
    return nri.SynchronizeResponse.FromString(answer)


def updated(response: nri.SynchronizeResponse) -> dict[str, tuple[str, str]]:
    return {
        one.container_id: (one.linux.resources.cpu.cpus, one.linux.resources.cpu.mems)
        for one in response.update
    }


def update(plugin: Plugin, one: nri.Container, pod: nri.PodSandbox, asked: str = "") -> str:
    """Give the CPUs that an update is answered with, empty = as it was asked."""
    request = nri.UpdateContainerRequest(
        pod=pod,
        container=one,
        linux_resources=nri.LinuxResources(cpu=nri.LinuxCPU(cpus=asked)),
    )
    answer = plugin.update_container(request.SerializeToString(), BUDGET_S)
    updates = nri.UpdateContainerResponse.FromString(answer).update
    assert [one.ignore_failure for one in updates] in ([], [False])
    return updates[0].linux.resources.cpu.cpus if updates else ""


def end_pod(plugin: Plugin, pod: nri.PodSandbox) -> None:
    event = nri.StateChangeEvent(event=nri.STOP_POD_SANDBOX, pod=pod)
    plugin.state_change(event.SerializeToString(), BUDGET_S)


def stop(plugin: Plugin, name: str, pod: nri.PodSandbox) -> None:
    request = nri.StopContainerRequest(pod=pod, container=nri.Container(id=f"id-{name}"))
    plugin.stop_container(request.SerializeToString(), BUDGET_S)


@pytest.fixture
def state() -> State:
    """A node that keeps idle sets empty, so that others have the shared CPUs alone."""
    return make_state(settings=Settings(idle=Idle.EXCLUSIVE))


@pytest.fixture
def plugin(state: State) -> Plugin:
    return Plugin(state, no_devices)


def test_configure_subscribes_to_six_events(plugin: Plugin) -> None:
    answer = nri.ConfigureResponse.FromString(
        plugin.configure(nri.ConfigureRequest().SerializeToString(), BUDGET_S)
    )

    # Sandboxes: STOP, REMOVE.  Containers: CREATE, UPDATE, STOP, REMOVE.
    assert answer.events == 1 << 1 | 1 << 2 | 1 << 3 | 1 << 7 | 1 << 9 | 1 << 10


def test_only_a_runtime_that_knows_it_is_asked_for_the_validation(plugin: Plugin) -> None:
    older = plugin.configure(nri.ConfigureRequest().SerializeToString(), BUDGET_S)
    newer = plugin.configure(
        nri.ConfigureRequest(nri_version="v0.12.3").SerializeToString(), BUDGET_S
    )

    events = [nri.ConfigureResponse.FromString(one).events for one in (older, newer)]
    assert events[1] ^ events[0] == 1 << 13


@pytest.mark.parametrize(
    ("plugins", "seen"),
    [
        (["numalocal"], RequiredPlugins.NOT_ENFORCED),
        (["default-validator", "numalocal"], RequiredPlugins.ENFORCED),
        (["default-validator-like", "numalocal"], RequiredPlugins.NOT_ENFORCED),
        ([], RequiredPlugins.NOT_ENFORCED),
    ],
)
def test_the_validator_is_seen_among_the_plugins_that_were_asked(
    plugin: Plugin, state: State, plugins: list[str], seen: RequiredPlugins
) -> None:
    listed = [nri.PluginInstance(name=one, index="10") for one in plugins]
    request = nri.ValidateContainerAdjustmentRequest(plugins=listed)

    assert plugin.validate(request.SerializeToString(), BUDGET_S) == b""
    assert state.snapshot().facts.runtime.required_plugins is seen


def test_a_worker_is_born_on_its_cpus_with_its_environment(plugin: Plugin) -> None:
    one = container("engine", assignment=ASSIGNED, env=["PATH=/bin", "NUMALOCAL_CPUS=2-3"])

    adjust = create(plugin, one)

    cpu = adjust.linux.resources.cpu
    assert (cpu.cpus, cpu.mems) == ("2-3", "0")
    env = {entry.key: entry.value for entry in adjust.env}
    assert env["OMP_PLACES"] == "{3}"
    assert env["NUMALOCAL_MEMS"] == "0"
    assert "NUMALOCAL_CPUS" not in env


@pytest.mark.parametrize(
    ("quota_us", "period_us", "cpus"),
    [
        (400000, 100000, 4),
        (250000, 100000, 2),
        (20000, 100000, 1),
        (0, 100000, None),
        (-1, 100000, None),
        (400000, 0, None),
    ],
)
def test_a_cpu_limit_is_read_in_whole_cpus(quota_us: int, period_us: int, cpus: int | None) -> None:
    one = container("engine")
    one.linux.resources.cpu.quota.value = quota_us
    one.linux.resources.cpu.period.value = period_us

    assert messages.container(one).quota_cpus == cpus
    assert messages.container(container("engine")).quota_cpus is None


def test_any_other_container_is_born_on_the_shared_cpus(plugin: Plugin) -> None:
    adjust = create(plugin, container("web", pod="p2"), OTHER_POD)

    assert adjust == nri.ContainerAdjustment(
        linux=nri.LinuxContainerAdjustment(
            resources=nri.LinuxResources(cpu=nri.LinuxCPU(cpus=SHARED))
        )
    )


@pytest.mark.parametrize(("budget_s", "limit_s"), [(BUDGET_S, 1.0), (0.5, 0.25)])
def test_an_init_container_is_born_on_its_pods_sets(
    state: State, budget_s: float, limit_s: float
) -> None:
    asked: list[tuple[str, str, float]] = []

    def devices_within(namespace: str, name: str, timeout_s: float) -> list[str]:
        asked.append((namespace, name, timeout_s))
        return [N1]

    plugin = Plugin(state, devices_within)
    adjust = create(plugin, container("numalocal-check"), budget_s=budget_s)

    assert adjust.linux.resources.cpu.cpus == "6-7"
    assert asked == [("default", "llama-0", limit_s)]


def test_an_init_container_whose_sets_are_not_found_is_refused(
    state: State, caplog: pytest.LogCaptureFixture
) -> None:
    def unknown(namespace: str, name: str, timeout_s: float) -> list[str]:
        raise DevicesUnknown("pod default/llama-0: not found")

    with pytest.raises(DevicesUnknown):
        create(Plugin(state, unknown), container("numalocal-check"))
    (said,) = [vars(one) for one in caplog.records if one.message == "container refused"]
    assert said["reason"] == "NotBound"


def test_a_worker_that_cannot_be_bound_is_refused(plugin: Plugin) -> None:
    with pytest.raises(BindingRefused):
        create(plugin, container("engine", assignment="{"))


def test_an_update_of_a_workers_cpus_is_overruled(
    plugin: Plugin, caplog: pytest.LogCaptureFixture
) -> None:
    engine = container("engine", assignment=ASSIGNED)
    create(plugin, engine)

    assert update(plugin, engine, POD, asked="0-7") == "2-3"
    assert "update of CPUs overruled" in caplog.text


def test_an_update_of_something_else_keeps_the_binding_quietly(
    plugin: Plugin, caplog: pytest.LogCaptureFixture
) -> None:
    assert update(plugin, container("web", pod="p2"), OTHER_POD) == SHARED
    assert "overruled" not in caplog.text


class TestSynchronize:
    def test_corrects_workers_and_others_and_nobody_else(self, plugin: Plugin) -> None:
        response = synchronize(
            plugin,
            container(
                "new", assignment=ASSIGNED, state=nri.CONTAINER_CREATED
            ),  # created while the agent was away
            container("web", pod="p2"),
            container("moved", pod="p2", cpus="0-1,4-5"),
            container("done", pod="p2", state=nri.CONTAINER_STOPPED),
            container("left", pod="unlisted", state=nri.CONTAINER_STOPPED),
        )

        assert updated(response) == {"id-new": ("2-3", "0"), "id-web": (SHARED, "")}
        assert all(one.ignore_failure for one in response.update)
        assert plugin.synchronized.is_set()

    def test_takes_in_what_lives_of_a_pod_that_is_not_listed(
        self, plugin: Plugin, state: State
    ) -> None:
        """Where containerd could not find out the state of its sandbox, when it started itself."""
        engine, web = (
            container(name, pod="unlisted", assignment=text)
            for name, text in (("engine", ASSIGNED), ("web", ""))
        )
        for one in (engine, web):
            for key, value in (("namespace", "ns"), ("name", "lost-0"), ("uid", "u9")):
                one.labels[f"io.kubernetes.pod.{key}"] = value

        response = synchronize(plugin, engine, web)

        assert updated(response) == {"id-engine": ("2-3", ""), "id-web": (SHARED, "")}
        with pytest.raises(CpusHeld, match=r"held by pod ns/lost-0 \('u9'\)"):
            create(plugin, container("engine", assignment=ASSIGNED))
        end_pod(plugin, nri.PodSandbox(id="unlisted", uid="u9"))
        create(plugin, container("engine", assignment=ASSIGNED))
        assert {*state.snapshot().node.ledger.tenants} == {"u1", "u2"}

    def test_knows_of_a_pod_that_is_no_longer_listed_what_it_knew(self, state: State) -> None:
        plugin = Plugin(state, lambda *_: [N1])
        create(plugin, check := container("numalocal-check"))
        check.linux.resources.cpu.cpus = check.linux.resources.cpu.mems = ""

        request = nri.SynchronizeRequest(containers=[check])
        answer = plugin.synchronize(request.SerializeToString(), BUDGET_S)

        assert [*updated(nri.SynchronizeResponse.FromString(answer)).values()] == [("6-7", "")]
        ((pod, _),) = state.snapshot().node.ledger.containers
        assert dict(pod.annotations) == dict(POD.annotations)

    @pytest.mark.parametrize("state_", [nri.CONTAINER_PAUSED, nri.CONTAINER_UNKNOWN])
    def test_counts_who_is_paused_or_unknown_as_living(
        self, plugin: Plugin, state: State, state_: nri.ContainerState
    ) -> None:
        synchronize(plugin, container("engine", assignment=ASSIGNED, state=state_))

        assert str(state.snapshot().node.ledger.held) == "2-3"

    def test_leaves_the_memory_of_what_runs_to_later(self, plugin: Plugin, state: State) -> None:
        """The runtime makes no container until the answer is applied, and moving takes seconds."""
        response = synchronize(plugin, container("engine", assignment=ASSIGNED))

        assert updated(response) == {"id-engine": ("2-3", "")}
        (later,) = corrections(state.snapshot().node)
        assert (str(later.binding.cpus), str(later.binding.mems)) == ("2-3", "0")

    def test_gives_nodes_to_a_check_and_to_nobody_that_is_not_bound(
        self, plugin: Plugin, state: State
    ) -> None:
        """A check that waits tells by this, and nothing else, that it has been bound since."""
        state.set_listing(LISTED, state.snapshot().node.ledger)
        check = container("numalocal-check", state=nri.CONTAINER_CREATED)

        response = synchronize(plugin, check, container("sidecar"))

        assert updated(response) == {"id-numalocal-check": ("6-7", "1"), "id-sidecar": (SHARED, "")}

    def test_leaves_alone_whom_only_the_silent_kubelet_knows(self, plugin: Plugin) -> None:
        response = synchronize(plugin, container("numalocal-check"), container("sidecar"))

        assert updated(response) == {"id-sidecar": (SHARED, "")}

    def test_reports_a_pod_that_was_made_past_the_webhook_and_goes_on(
        self, plugin: Plugin, state: State
    ) -> None:
        missed = nri.PodSandbox(
            id="p3", uid="u3", name="x", annotations={"numalocal.io/cpusets": ""}
        )
        request = nri.SynchronizeRequest(
            pods=[missed, POD],
            containers=[
                container("app", pod="p3"),
                container("engine", assignment=ASSIGNED, cpus="2-3", mems="0"),
            ],
        )

        answer = plugin.synchronize(request.SerializeToString(), BUDGET_S)

        assert updated(nri.SynchronizeResponse.FromString(answer)) == {"id-app": (SHARED, "")}
        told = {one.reason: one.message for one in state.snapshot().refusals}
        assert "webhook did not see the pod" in told[Reason.NOT_BOUND]
        with pytest.raises(BindingRefused, match="webhook did not see the pod"):
            create(plugin, container("app"), missed)

    def test_collects_a_list_that_comes_in_parts(self, plugin: Plugin) -> None:
        first = synchronize(plugin, container("web", pod="p2"), more=True)

        assert first == nri.SynchronizeResponse(more=True)
        assert not plugin.synchronized.is_set()

        last = synchronize(plugin, container("engine", assignment=ASSIGNED))

        assert updated(last) == {"id-web": (SHARED, ""), "id-engine": ("2-3", "")}
        assert not last.more
        assert updated(synchronize(plugin)) == {}

    def test_keeps_little_of_what_lives(self, plugin: Plugin, state: State) -> None:
        engine = container("engine", assignment=ASSIGNED, env=["LONG=" + "x" * 100_000])
        engine.annotations["other.example/long"] = "x" * 100_000

        synchronize(plugin, engine, container("web", pod="p2", env=["LONG=" + "x" * 100_000]))

        assert len(repr(state.snapshot().node.ledger)) < 10_000

    def test_binds_all_others_beside_a_hostile_one(self, plugin: Plugin) -> None:
        hostile = nri.PodSandbox(
            id="p3", uid="u3", name="x", annotations={"numalocal.io/reserved-cores": "9" * 5000}
        )
        request = nri.SynchronizeRequest(
            pods=[hostile, OTHER_POD],
            containers=[
                container("engine", pod="p3", assignment=ASSIGNED),
                container("web", pod="p2"),
            ],
        )

        answer = plugin.synchronize(request.SerializeToString(), BUDGET_S)

        assert "id-web" in updated(nri.SynchronizeResponse.FromString(answer))

    def test_does_not_give_a_claim_of_the_pods_own_any_cpu(self, plugin: Plugin) -> None:
        forger = nri.PodSandbox(id="p3", uid="u3", name="x", annotations={ANNOTATION: ASSIGNED})
        request = nri.SynchronizeRequest(
            pods=[forger], containers=[container("app", pod="p3", assignment=ASSIGNED)]
        )

        answer = plugin.synchronize(request.SerializeToString(), BUDGET_S)

        assert updated(nri.SynchronizeResponse.FromString(answer)) == {"id-app": (SHARED, "")}


class TestNoCpuIsGivenTwice:
    def test_while_a_pod_runs_whatever_the_kubelet_believes(self, plugin: Plugin) -> None:
        create(plugin, container("engine", assignment=ASSIGNED))

        with pytest.raises(
            CpusHeld, match="CPU 2-3 of its CPU sets is still held by pod default/l"
        ):
            create(plugin, container("late", pod="p2", assignment=ASSIGNED), OTHER_POD)

    def test_while_its_crashed_container_waits(self, plugin: Plugin) -> None:
        create(plugin, container("engine", assignment=ASSIGNED))
        stop(plugin, "engine", POD)

        with pytest.raises(CpusHeld):
            create(plugin, container("late", pod="p2", assignment=ASSIGNED), OTHER_POD)

    @pytest.mark.parametrize("event", [nri.STOP_POD_SANDBOX, nri.REMOVE_POD_SANDBOX])
    def test_until_its_sandbox_is_stopped(self, plugin: Plugin, event: nri.Event) -> None:
        create(plugin, container("engine", assignment=ASSIGNED))

        change = nri.StateChangeEvent(event=event, pod=POD)
        plugin.state_change(change.SerializeToString(), BUDGET_S)

        late = create(plugin, container("late", pod="p2", assignment=ASSIGNED), OTHER_POD)
        assert late.linux.resources.cpu.cpus == "2-3"

    @pytest.mark.parametrize("method", ["StopPodSandbox", "RemovePodSandbox"])
    def test_until_a_newer_runtime_says_so(self, plugin: Plugin, method: str) -> None:
        create(plugin, container("engine", assignment=ASSIGNED))

        request = nri.StopPodSandboxRequest(pod=POD).SerializeToString()
        assert plugin.methods()[f"{SERVICE}/{method}"](request, BUDGET_S) == b""

        late = create(plugin, container("late", pod="p2", assignment=ASSIGNED), OTHER_POD)
        assert late.linux.resources.cpu.cpus == "2-3"

    def test_to_a_set_of_today_and_one_of_other_pools(self, plugin: Plugin, state: State) -> None:
        synchronize(plugin, container("old", assignment=OLD, cpus="1-3", mems="0"))
        stop(plugin, "old", POD)

        with pytest.raises(CpusHeld):
            create(plugin, container("late", pod="p2", assignment=ASSIGNED), OTHER_POD)
        web = create(plugin, container("web", pod="p2"), OTHER_POD)
        assert web.linux.resources.cpu.cpus == "0,4-5"


class TestIdleSets:
    def test_are_everybodys_and_taken_back_in_the_answer_that_makes_the_worker(self) -> None:
        plugin = Plugin(make_state(), no_devices)
        web = create(plugin, container("web", pod="p2"), OTHER_POD)
        assert web.linux.resources.cpu.cpus == "0-7"

        request = nri.CreateContainerRequest(
            pod=POD, container=container("engine", assignment=ASSIGNED)
        )
        answer = nri.CreateContainerResponse.FromString(
            plugin.create_container(request.SerializeToString(), BUDGET_S)
        )

        (back,) = answer.update
        assert (back.container_id, back.linux.resources.cpu.cpus) == ("id-web", "0-1,4-7")
        assert back.linux.resources.cpu.mems == ""
        assert back.ignore_failure


class TestWhereAnotherPins:
    @pytest.fixture(params=[Policy.UNKNOWN, Policy.STATIC])
    def barred(self, request: pytest.FixtureRequest) -> Plugin:
        return Plugin(make_state(policy=request.param), no_devices)

    def test_nobody_is_adjusted(self, barred: Plugin) -> None:
        web = container("web", pod="p2", cpus="0-7")

        assert create(barred, web, OTHER_POD) == nri.ContainerAdjustment()
        assert update(barred, web, OTHER_POD, asked="4-5") == ""
        assert updated(synchronize(barred, web, container("engine", assignment=ASSIGNED))) == {}

    def test_a_worker_does_not_start_unbound(self, barred: Plugin) -> None:
        with pytest.raises(BindingRefused, match=r"container engine: (this node's|the) kubelet"):
            create(barred, container("engine", assignment=ASSIGNED))

    def test_what_was_seen_meanwhile_is_bound_when_it_may_be(self) -> None:
        state = make_state(policy=Policy.UNKNOWN)
        synchronize(Plugin(state, no_devices), container("engine", assignment=ASSIGNED))

        state.set_policy(Policy.NONE)

        (one,) = corrections(state.snapshot().node)
        assert str(one.binding.cpus) == "2-3"


def test_pods_without_a_uid_are_told_apart_by_their_sandboxes(plugin: Plugin) -> None:
    one, other = (nri.PodSandbox(id=name, name=name, namespace="x") for name in ("s1", "s2"))
    create(plugin, container("engine", assignment=ASSIGNED), one)

    with pytest.raises(CpusHeld):
        create(plugin, container("engine", assignment=ASSIGNED), other)


@pytest.mark.parametrize("by", ["StopContainer", "RemoveContainer", "StateChange"])
def test_a_container_of_a_pod_without_a_uid_is_forgotten_when_it_ends(
    plugin: Plugin, state: State, by: str
) -> None:
    pod = nri.PodSandbox(id="s1", name="s1", namespace="x")
    create(plugin, container("web"), pod)
    ended = nri.Container(id="id-web")
    requests = {
        "StopContainer": nri.StopContainerRequest(pod=pod, container=ended),
        "RemoveContainer": nri.RemoveContainerRequest(pod=pod, container=ended),
        "StateChange": nri.StateChangeEvent(event=nri.STOP_CONTAINER, pod=pod, container=ended),
    }

    plugin.methods()[f"{SERVICE}/{by}"](requests[by].SerializeToString(), BUDGET_S)

    assert list(state.snapshot().node.ledger.containers) == []


def test_events_of_containers_that_never_started_are_taken(plugin: Plugin) -> None:
    stop = nri.StopContainerRequest(container=nri.Container(id="unheard-of"))
    event = nri.StateChangeEvent(event=nri.REMOVE_CONTAINER)

    assert plugin.stop_container(stop.SerializeToString(), BUDGET_S) == b""
    assert plugin.state_change(event.SerializeToString(), BUDGET_S) == b""
    assert plugin.shutdown(b"", BUDGET_S) == b""


def test_every_handler_is_named_as_it_is_called(plugin: Plugin) -> None:
    assert {name.rpartition("/")[2] for name in plugin.methods()} == {
        method.name for method in nri.DESCRIPTOR.services_by_name["Plugin"].methods
    }
