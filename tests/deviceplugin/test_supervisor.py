import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from numalocal_deviceplugin import supervisor
from numalocal_deviceplugin.config import Config, parse
from numalocal_deviceplugin.kubelet import presence, registration
from numalocal_deviceplugin.refusals import Reason
from numalocal_deviceplugin.runtime import nri
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as wire

from .fake_kubelet import FakeKubelet, FakePodResources
from .fake_runtime import FakeRuntime
from .nodes import N0, N1, make_machine, make_state, write_sysfs
from .waiting import until

QUICK = supervisor.Timing(
    kubelet=presence.Timing(poll_s=0.005, answer_s=0.2, retry_first_s=0.01, retry_ceiling_s=0.02),
    pools=registration.Timing(
        register_s=0.2, poll_s=0.005, patience_s=0.1, retry_first_s=0.01, retry_ceiling_s=0.02
    ),
    runtime=nri.Timing(retry_first_s=0.01, retry_ceiling_s=0.02, poll_s=0.005),
    health_interval_s=0.01,
    listing_limit_s=0.2,
    seat_poll_s=0.005,
)
HEALTHY = {N0: "Healthy", N1: "Healthy"}


@pytest.fixture
def config(run_dir: Path) -> Config:
    write_sysfs(run_dir / "root", make_machine())
    (run_dir / "device-plugins").mkdir()
    return parse(
        [
            f"--root={run_dir / 'root'}",
            f"--device-plugin-dir={run_dir / 'device-plugins'}",
            f"--pod-resources-socket={run_dir / 'pods.sock'}",
            f"--nri-socket={run_dir / 'nri.sock'}",
        ],
        {},
    )


@pytest.fixture
def agent(config: Config) -> Iterator[State]:
    """A whole agent, running; it starts before kubelet and runtime are there."""
    state, stop = make_state(synchronized=False, policy=Policy.UNKNOWN), threading.Event()
    thread = threading.Thread(target=supervisor.run, args=(config, state, stop, QUICK), daemon=True)
    thread.start()
    yield state
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def test_a_worker_is_allocated_by_the_kubelet_and_bound_by_the_runtime(
    config: Config, agent: State
) -> None:
    pods = {"default/llama-0": [("engine", "numalocal.io/cpuset", [N1])]}
    with (
        FakePodResources(config.pod_resources_socket, pods),
        FakeRuntime(config.nri_socket) as runtime,
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        session = runtime.accept()
        session.register()
        session.synchronize()
        until(lambda: node.devices == HEALTHY, "sets are healthy")

        request = deviceplugin_v1beta1_pb2.ContainerAllocateRequest(devices_ids=[N1])
        given = node.plugin.stub.Allocate(
            deviceplugin_v1beta1_pb2.AllocateRequest(container_requests=[request])
        ).container_responses[0]
        pod = wire.PodSandbox(
            id="p",
            uid="uid",
            name="llama-0",
            namespace="default",
            annotations={"numalocal.io/bound-containers": "numalocal-check"},
        )
        bound = {
            one.name: wire.CreateContainerResponse.FromString(
                session.call(
                    "CreateContainer",
                    wire.CreateContainerRequest(pod=pod, container=one).SerializeToString(),
                ).payload
            ).adjust.linux.resources.cpu
            for one in (
                wire.Container(id="1", name="numalocal-check"),
                wire.Container(id="2", name="engine", annotations=given.annotations),
                wire.Container(id="3", name="sidecar"),
            )
        }

    assert {name: (cpu.cpus, cpu.mems) for name, cpu in bound.items()} == {
        "numalocal-check": ("6-7", "1"),
        "engine": ("6-7", "1"),
        "sidecar": ("0-5", ""),
    }


def test_devices_are_unhealthy_until_the_runtime_is_there(config: Config, agent: State) -> None:
    with (
        FakePodResources(config.pod_resources_socket),
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        until(lambda: node.devices == dict.fromkeys(HEALTHY, "Unhealthy"), "unhealthy")
        with FakeRuntime(config.nri_socket) as runtime:
            session = runtime.accept()
            session.register()
            session.synchronize()
            until(lambda: node.devices == HEALTHY, "healthy")


def test_a_kubelet_that_pins_is_told_nothing_until_it_comes_back_without_pinning(
    config: Config, agent: State
) -> None:
    with (
        FakePodResources(config.pod_resources_socket, cpu_ids=range(8)),
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        until(lambda: agent.snapshot().facts.policy is Policy.STATIC, "the policy is known")
        assert not node.registrations

    with (
        FakePodResources(config.pod_resources_socket),
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        until(lambda: node.devices, "devices are listed")


def test_a_cpu_that_goes_offline_is_seen(config: Config, agent: State) -> None:
    online = config.root / "sys/devices/system/cpu/online"
    with (
        FakePodResources(config.pod_resources_socket),
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        until(lambda: node.devices, "devices are listed")
        agent.runtime_synchronized("containerd", "2.4.2")

        online.write_text("0-1,4-7\n")

        until(lambda: node.devices == {N0: "Unhealthy", N1: "Healthy"}, "one is unhealthy")


def test_of_two_agents_on_a_node_the_second_serves_nobody(config: Config, agent: State) -> None:
    second, stop = make_state(synchronized=False, policy=Policy.UNKNOWN), threading.Event()
    with (
        FakePodResources(config.pod_resources_socket),
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        until(lambda: node.devices, "the first is registered")
        thread = threading.Thread(
            target=supervisor.run, args=(config, second, stop, QUICK), daemon=True
        )
        thread.start()
        until(lambda: second.snapshot().facts.policy is Policy.NONE, "the second runs")
        said = [one.reason for one in second.snapshot().of_node]
        assert Reason.SECOND_AGENT in said
        assert Reason.NOT_REGISTERED in said
        time.sleep(0.1)
        assert len(node.registrations) == 1
        stop.set()
        thread.join(5)
        assert not thread.is_alive()
