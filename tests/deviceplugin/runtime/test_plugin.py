from collections.abc import Callable, Sequence

import pytest

from numalocal_deviceplugin.errors import BindingRefused, DevicesUnknown, KubeletSilent
from numalocal_deviceplugin.kubelet.allocation import allocate
from numalocal_deviceplugin.runtime import messages
from numalocal_deviceplugin.runtime.plugin import Plugin
from numalocal_deviceplugin.state import Availability
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

from ..nodes import N0, N1, SHARED, make_machine, make_partition

BUDGET_S = 2.0
ANNOTATION = "numalocal.io/assignment"
ASSIGNED = allocate(make_partition().sets, [N0], make_machine()).assignment.to_json()
OLD = '{"sets":[{"id":"cpuset-n0-c1x3","pool":"cpuset","cpus":"1-3","numaNode":0,"memoryBytes":1}]}'

POD = nri.PodSandbox(
    id="p1",
    name="llama-0",
    namespace="default",
    annotations={
        "numalocal.io/bound-containers": "numalocal-check",
        "numalocal.io/container": "engine",
        "numalocal.io/engine": "openmp",
    },
)
OTHER_POD = nri.PodSandbox(id="p2", name="web-0", namespace="default")

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


@pytest.fixture
def plugin(availability: Availability) -> Plugin:
    return Plugin(availability, no_devices)


def test_configure_subscribes_to_four_events_and_asks_to_fail_closed(plugin: Plugin) -> None:
    answer = nri.ConfigureResponse.FromString(
        plugin.configure(nri.ConfigureRequest().SerializeToString(), BUDGET_S)
    )

    # CREATE_CONTAINER, UPDATE_CONTAINER, STOP_CONTAINER, REMOVE_CONTAINER
    assert answer.events == 1 << 3 | 1 << 7 | 1 << 9 | 1 << 10
    assert answer.failure_policy.fail_request


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


def test_an_init_container_is_born_on_its_pods_sets(availability: Availability) -> None:
    asked: list[tuple[str, str, float]] = []

    def devices_within(namespace: str, name: str, timeout_s: float) -> list[str]:
        asked.append((namespace, name, timeout_s))
        return [N1]

    adjust = create(Plugin(availability, devices_within), container("numalocal-check"))

    assert adjust.linux.resources.cpu.cpus == "6-7"
    assert asked == [("default", "llama-0", 1.0)]


def test_the_kubelet_is_given_half_of_a_shorter_limit(availability: Availability) -> None:
    limits: list[float] = []

    def devices_within(namespace: str, name: str, timeout_s: float) -> list[str]:
        limits.append(timeout_s)
        return [N1]

    create(Plugin(availability, devices_within), container("numalocal-check"), budget_s=0.5)

    assert limits == [0.25]


def test_an_init_container_whose_sets_are_not_found_is_refused(
    availability: Availability, caplog: pytest.LogCaptureFixture
) -> None:
    def unknown(namespace: str, name: str, timeout_s: float) -> list[str]:
        raise DevicesUnknown("pod default/llama-0: not found")

    with pytest.raises(DevicesUnknown):
        create(Plugin(availability, unknown), container("numalocal-check"))
    assert "container refused" in caplog.text


def test_a_worker_that_cannot_be_bound_is_refused(plugin: Plugin) -> None:
    with pytest.raises(BindingRefused):
        create(plugin, container("engine", assignment="{"))


def test_an_update_of_a_workers_cpus_is_overruled(
    plugin: Plugin, caplog: pytest.LogCaptureFixture
) -> None:
    request = nri.UpdateContainerRequest(
        pod=POD,
        container=container("engine", assignment=ASSIGNED, cpus="2-3", mems="0"),
        linux_resources=nri.LinuxResources(cpu=nri.LinuxCPU(cpus="0-7")),
    )

    answer = nri.UpdateContainerResponse.FromString(
        plugin.update_container(request.SerializeToString(), BUDGET_S)
    )

    (update,) = answer.update
    cpu = update.linux.resources.cpu
    assert (update.container_id, cpu.cpus, cpu.mems) == ("id-engine", "2-3", "0")
    assert not update.ignore_failure
    assert "update of CPUs overruled" in caplog.text


def test_an_update_of_something_else_keeps_the_binding_quietly(
    plugin: Plugin, caplog: pytest.LogCaptureFixture
) -> None:
    request = nri.UpdateContainerRequest(pod=OTHER_POD, container=container("web", pod="p2"))

    answer = nri.UpdateContainerResponse.FromString(
        plugin.update_container(request.SerializeToString(), BUDGET_S)
    )

    assert answer.update[0].linux.resources.cpu.cpus == SHARED
    assert "overruled" not in caplog.text


def test_synchronize_corrects_workers_and_others_and_nobody_else(plugin: Plugin) -> None:
    response = synchronize(
        plugin,
        container(
            "new", assignment=ASSIGNED, state=nri.CONTAINER_CREATED
        ),  # created while the agent was away
        container("engine", assignment=ASSIGNED, cpus="2,3", mems="0"),
        container("web", pod="p2"),
        container("moved", pod="p2", cpus="0-1,4-5"),
        container("done", pod="p2", state=nri.CONTAINER_STOPPED),
        container("orphan", pod="gone"),
    )

    assert updated(response) == {"id-new": ("2-3", "0"), "id-web": (SHARED, "")}
    assert all(update.ignore_failure for update in response.update)
    assert plugin.synchronized.is_set()


def test_synchronize_gives_nodes_to_a_check_and_to_nobody_that_is_not_bound(
    availability: Availability,
) -> None:
    """A check that waits tells by this, and nothing else, that it has been bound since."""
    plugin = Plugin(availability, lambda namespace, name, timeout_s: [N1])

    response = synchronize(plugin, container("numalocal-check"), container("sidecar"))

    assert updated(response) == {"id-numalocal-check": ("6-7", "1"), "id-sidecar": (SHARED, "")}


def test_synchronize_reports_a_pod_that_was_made_past_the_webhook_and_goes_on(
    plugin: Plugin, caplog: pytest.LogCaptureFixture
) -> None:
    missed = nri.PodSandbox(id="p3", name="x", annotations={"numalocal.io/cpusets": "1"})
    request = nri.SynchronizeRequest(
        pods=[missed, POD],
        containers=[container("app", pod="p3"), container("engine", assignment=ASSIGNED)],
    )

    answer = plugin.synchronize(request.SerializeToString(), BUDGET_S)

    response = nri.SynchronizeResponse.FromString(answer)
    assert updated(response) == {"id-app": (SHARED, ""), "id-engine": ("2-3", "0")}
    assert "running container is not bound" in caplog.text
    with pytest.raises(BindingRefused, match="webhook did not see the pod"):
        create(plugin, container("app"), missed)


def test_synchronize_collects_a_list_that_comes_in_parts(plugin: Plugin) -> None:
    first = synchronize(plugin, container("web", pod="p2"), more=True)

    assert first == nri.SynchronizeResponse(more=True)
    assert not plugin.synchronized.is_set()

    last = synchronize(plugin, container("engine", assignment=ASSIGNED))

    assert updated(last) == {"id-web": (SHARED, ""), "id-engine": ("2-3", "0")}
    assert not last.more
    assert updated(synchronize(plugin)) == {}


def test_synchronize_asks_a_silent_kubelet_for_one_limit_in_all(
    availability: Availability, caplog: pytest.LogCaptureFixture
) -> None:
    limits: list[float] = []

    def silent(namespace: str, name: str, timeout_s: float) -> list[str]:
        limits.append(timeout_s)
        raise KubeletSilent("no answer")

    plugin = Plugin(availability, silent)
    response = synchronize(
        plugin, container("numalocal-check"), container("numalocal-check"), container("engine")
    )

    assert updated(response) == {"id-engine": (SHARED, "")}
    assert limits[0] <= 1.0
    assert "running container is not bound" in caplog.text


def devices(availability: Availability) -> dict[str, bool]:
    listed = availability.devices(availability.partition.sets)
    return {one.id: one.healthy for one in listed}


def test_cpus_of_another_pool_configuration_are_not_given_out_until_their_container_ends(
    plugin: Plugin, availability: Availability
) -> None:
    synchronize(plugin, container("old", assignment=OLD, cpus="1-3", mems="0"))
    assert devices(availability) == {N0: False, N1: True}
    web = create(plugin, container("web", pod="p2"), OTHER_POD)
    assert web.linux.resources.cpu.cpus == "0,4-5"

    stop = nri.StopContainerRequest(container=nri.Container(id="id-old"))
    plugin.stop_container(stop.SerializeToString(), BUDGET_S)

    assert devices(availability) == {N0: True, N1: True}


@pytest.mark.parametrize("by_name", [True, False], ids=["newer runtime", "older runtime"])
def test_a_removed_container_holds_nothing_either(
    plugin: Plugin, availability: Availability, *, by_name: bool
) -> None:
    create(plugin, container("old", assignment=OLD))
    assert devices(availability) == {N0: False, N1: True}

    gone = nri.Container(id="id-old")
    if by_name:
        request = nri.RemoveContainerRequest(container=gone)
        plugin.remove_container(request.SerializeToString(), BUDGET_S)
    else:
        event = nri.StateChangeEvent(event=nri.REMOVE_CONTAINER, container=gone)
        plugin.state_change(event.SerializeToString(), BUDGET_S)

    assert devices(availability) == {N0: True, N1: True}


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
