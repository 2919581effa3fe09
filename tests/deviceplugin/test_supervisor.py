import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest

from numalocal.sets.memoryask import Enforcement
from numalocal_deviceplugin import supervisor
from numalocal_deviceplugin.config import Address, Config, parse
from numalocal_deviceplugin.kubelet import presence, registration
from numalocal_deviceplugin.runtime import nri
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as wire

from .fake_kubelet import FakeKubelet, FakePodResources
from .fake_runtime import FakeRuntime, Session
from .node import cgroup_files
from .node.scrapes import samples
from .nodes import N0, N1, make_machine, write_sysfs
from .waiting import PATIENCE_S, until

# It looks often and waits for long: nobody is to be registered twice, or given up, because all
# takes long on a busy machine.  Only what is asked again and again has short limits, by which a
# test ends soon whose kubelet has gone.
QUICK = supervisor.Timing(
    kubelet=presence.Timing(rest_s=0.005, answer_s=0.2, retry_first_s=0.01, retry_ceiling_s=0.02),
    pools=registration.Timing(
        register_s=PATIENCE_S,
        poll_s=0.005,
        patience_s=PATIENCE_S,
        retry_first_s=0.01,
        retry_ceiling_s=0.02,
    ),
    runtime=nri.Timing(
        register_s=PATIENCE_S,
        connect_s=PATIENCE_S,
        retry_first_s=0.01,
        retry_ceiling_s=0.02,
        poll_s=0.005,
        rest_s=0.005,
        answer_s=PATIENCE_S,
    ),
    health_interval_s=0.01,
    machine_interval_s=0.01,
    poolfile_interval_s=0.02,
    listing_limit_s=0.2,
    seat_poll_s=0.005,
    end_s=PATIENCE_S,
)
HEALTHY = {N0: "Healthy", N1: "Healthy"}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


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
            f"--http-address=127.0.0.1:{free_port()}",
        ],
        {},
    )


Start = Callable[[Config], None]


@pytest.fixture
def start() -> Iterator[Start]:
    """Run whole agents until the test's end."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def run(config: Config) -> None:
        thread = threading.Thread(
            target=supervisor.run, args=(config, stop, QUICK), daemon=True, name="supervisor"
        )
        threads.append(thread)
        thread.start()

    yield run
    stop.set()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@pytest.fixture
def agent(config: Config, start: Start) -> None:
    """A whole agent, running; it starts before kubelet and runtime are there."""
    start(config)


def ask(config: Config, path: str = "/readyz") -> tuple[int, str]:
    """Ask a running agent; (0, "") while it does not answer."""
    assert config.http_address is not None
    connection = HTTPConnection("127.0.0.1", config.http_address.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def connected(runtime: FakeRuntime, request: wire.SynchronizeRequest | None = None) -> Session:
    session = runtime.accept()
    session.register()
    session.synchronize(request)
    return session


def test_a_worker_is_allocated_by_the_kubelet_and_bound_by_the_runtime(
    config: Config, agent: None
) -> None:
    pods = {"default/llama-0": [("engine", "numalocal.io/cpuset", [N1])]}
    with (
        FakePodResources(config.pod_resources_socket, pods),
        FakeRuntime(config.nri_socket) as runtime,
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        session = connected(runtime)
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


def test_devices_are_unhealthy_until_the_runtime_is_there(config: Config, agent: None) -> None:
    with (
        FakePodResources(config.pod_resources_socket),
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        until(lambda: node.devices == dict.fromkeys(HEALTHY, "Unhealthy"), "unhealthy")
        with FakeRuntime(config.nri_socket) as runtime:
            connected(runtime)
            until(lambda: node.devices == HEALTHY, "healthy")


def test_a_best_effort_agent_offers_its_sets_without_the_runtime(
    config: Config, start: Start
) -> None:
    start(replace(config, enforcement=Enforcement.BEST_EFFORT))
    with (
        FakePodResources(config.pod_resources_socket),
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        until(lambda: node.devices == HEALTHY, "sets are healthy")
        until(lambda: ask(config)[0] == 200, "ready")

        assert "NotEnforced: the container runtime's NRI is not there" in ask(config)[1]


def test_a_kubelet_that_pins_is_told_nothing_until_it_comes_back_without_pinning(
    config: Config, agent: None
) -> None:
    with (
        FakePodResources(config.pod_resources_socket, cpu_ids=range(8)),
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        until(lambda: "KubeletPinsCpus" in ask(config)[1], "the policy is told")
        assert ask(config)[0] == 200
        assert not node.registrations

    with (
        FakePodResources(config.pod_resources_socket),
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        until(lambda: node.devices, "devices are listed")


def test_a_cpu_that_goes_offline_is_seen(config: Config, agent: None) -> None:
    online = config.root / "sys/devices/system/cpu/online"
    with (
        FakePodResources(config.pod_resources_socket),
        FakeRuntime(config.nri_socket) as runtime,
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        connected(runtime)
        until(lambda: node.devices == HEALTHY, "devices are listed")

        online.write_text("0-1,4-7\n")

        until(lambda: node.devices == {N0: "Unhealthy", N1: "Healthy"}, "one is unhealthy")


def test_a_kubelet_and_a_runtime_that_answer_make_the_agent_ready(
    config: Config, agent: None
) -> None:
    until(lambda: ask(config)[0] == 503, "not ready yet")
    with (
        FakePodResources(config.pod_resources_socket),
        FakeRuntime(config.nri_socket) as runtime,
        FakeKubelet(config.device_plugin_dir),
    ):
        connected(runtime)
        until(lambda: ask(config)[0] == 200, "ready")

        assert ask(config)[1].startswith("ready\n")
        assert ask(config, "/livez") == (200, "ok\n")


def engine(node: FakeKubelet) -> wire.CreateContainerRequest:
    """Let the kubelet give a container a set, and ask for its creation."""
    one = deviceplugin_v1beta1_pb2.ContainerAllocateRequest(devices_ids=[N1])
    request = deviceplugin_v1beta1_pb2.AllocateRequest(container_requests=[one])
    given = node.plugin.stub.Allocate(request).container_responses[0]
    return wire.CreateContainerRequest(
        pod=wire.PodSandbox(id="p", uid="uid", name="llama-0", namespace="default"),
        container=wire.Container(
            id="2",
            name="engine",
            annotations=given.annotations,
            linux=wire.LinuxContainer(cgroups_path="/kubepods/engine"),
        ),
    )


def test_a_scrape_tells_what_the_agent_has_done_and_what_its_containers_use(
    config: Config, agent: None
) -> None:
    pods = {"default/llama-0": [("engine", "numalocal.io/cpuset", [N1])]}
    cgroup_files.write(config.cgroup_root / "kubepods" / "engine")
    (config.cgroup_root / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    with (
        FakePodResources(config.pod_resources_socket, pods),
        FakeRuntime(config.nri_socket) as runtime,
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        session = connected(runtime)
        until(lambda: node.devices == HEALTHY, "sets are healthy")
        until(lambda: "kubelet_listing_timestamp" in ask(config, "/metrics")[1], "listed")
        assert session.call("CreateContainer", engine(node).SerializeToString()).code == 0

        status, text = ask(config, "/metrics")

    told = {
        (one.name.removeprefix("numalocal_"), *one.labels.values()): one.value
        for one in samples(text.encode())
    }
    assert status == 200
    assert told["allocations_total", "cpuset"] == 1
    assert told["kubelet_registrations_total", "cpuset"] == 1
    assert told["runtime_connections_total",] == told["runtime_synchronizations_total",] == 1
    assert told["container_creations_total", "bound"] == 1
    assert told["cpu_sets", "cpuset", "Held"] == 1
    assert told["create_container_duration_seconds_count",] == 1
    assert told["kubelet_listing_timestamp_seconds",] == pytest.approx(time.time(), abs=60)
    assert told["container_memory_local_ratio", "engine", "default", "llama-0"] == 0.8
    assert told["container_drifted", "engine", "default", "llama-0"] == 0


def mounted(run_dir: Path, text: str) -> Path:
    """Mount a ConfigMap as the kubelet does: the file is a link into a folder that is swapped."""
    mount = run_dir / "pools"
    folder = mount / f"..2026_{sum(1 for _ in mount.glob('..2026*'))}"
    folder.mkdir(parents=True)
    (folder / "pools.yaml").write_text(text)
    link = mount / "..data_tmp"
    link.symlink_to(folder.name)
    link.replace(mount / "..data")
    file = mount / "pools.yaml"
    if not file.is_symlink():
        file.symlink_to("..data/pools.yaml")
    return file


def test_other_pools_are_taken_without_a_new_process(
    config: Config, run_dir: Path, start: Start
) -> None:
    start(replace(config, pools_file=mounted(run_dir, "- {name: old}\n")))
    plugins = config.device_plugin_dir
    with (
        FakePodResources(config.pod_resources_socket),
        FakeRuntime(config.nri_socket) as runtime,
        FakeKubelet(plugins) as node,
    ):
        session = connected(runtime)
        until(lambda: {*(node.devices or ())} == {"old-n0-c2x2", "old-n1-c6x2"}, "old pool")

        mounted(run_dir, "- {name: new, size: 1}\n")
        with pytest.raises(EOFError):
            session.answer()
        connected(runtime)

        until(lambda: {*(node.devices or ())} == {"new-n0-c2x2", "new-n1-c6x2"}, "new pool")
        until(lambda: {*(node.devices or {}).values()} == {"Healthy"}, "healthy")
        assert [one.resource_name for one in node.registrations] == [
            "numalocal.io/old",
            "numalocal.io/new",
        ]
        assert not (plugins / "numalocal-old.sock").exists()


def held(name: str, cpus: str) -> wire.Container:
    """Make a container that runs already on the first set of pool old."""
    assignment = (
        '{"version":1,"sets":[{"id":"old-n0-c2x2","pool":"old","cpus":"2-3","numaNode":0,'
        '"memoryNodes":"0","memoryBytes":4294967296,"threadsPerCore":null}]}'
    )
    return wire.Container(
        id=name,
        pod_sandbox_id="p",
        name=name,
        annotations={"assignment.numalocal.io/old": assignment},
        state=wire.CONTAINER_RUNNING,
        linux=wire.LinuxContainer(
            resources=wire.LinuxResources(cpu=wire.LinuxCPU(cpus=cpus, mems="0"))
        ),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- {name: Bad, size: 0}\n", "pools[0].size: 0 must be"),
        ("- {name: huge, size: 64}\n", "pool huge: no NUMA node has 64 cores"),
        ("[", "is not YAML"),
    ],
    ids=["invalid", "unmet", "malformed"],
)
def test_a_bad_file_of_pools_keeps_the_old_ones_and_says_so(
    config: Config, run_dir: Path, start: Start, text: str, sentence: str
) -> None:
    start(replace(config, pools_file=mounted(run_dir, "- {name: old}\n")))
    with (
        FakePodResources(config.pod_resources_socket),
        FakeRuntime(config.nri_socket) as runtime,
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        connected(runtime)
        until(lambda: {*(node.devices or {}).values()} == {"Healthy"}, "healthy")

        mounted(run_dir, text)
        until(lambda: f"PoolsInvalid: the pools in {run_dir}" in ask(config)[1], "told")
        status, told = ask(config)

        assert (status, sentence in told) == (200, True)
        assert {*(node.devices or {}).values()} == {"Healthy"}

        mounted(run_dir, "- {name: old}\n")
        until(lambda: "PoolsInvalid" not in ask(config)[1], "good again")
        assert len(node.registrations) == 1


def test_a_bad_file_at_the_start_is_waited_out(config: Config, run_dir: Path, start: Start) -> None:
    start(replace(config, pools_file=mounted(run_dir, "- {name: Bad}\n")))
    with (
        FakePodResources(config.pod_resources_socket),
        FakeRuntime(config.nri_socket) as runtime,
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        connected(runtime)
        until(lambda: "PoolsInvalid" in ask(config)[1] and ask(config)[0] == 200, "told")
        assert node.registrations == []

        mounted(run_dir, "- {name: good}\n")
        connected(runtime)
        until(lambda: {*(node.devices or {}).values()} == {"Healthy"}, "healthy")


def test_pools_that_the_machine_cannot_give_are_told_and_nothing_is_given(
    config: Config, run_dir: Path, start: Start
) -> None:
    pools = "- {name: cpuset}\n- {name: huge, size: 64}\n"
    start(replace(config, pools_file=mounted(run_dir, pools)))
    with (
        FakePodResources(config.pod_resources_socket),
        FakeRuntime(config.nri_socket) as runtime,
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        connected(runtime)
        until(lambda: "PoolUnmet: pool huge: no NUMA node has 64 cores" in ask(config)[1], "told")
        until(lambda: len(node.registrations) == 2, "both are registered")
        assert all(one.devices in (None, {}) for one in node.plugins)

        mounted(run_dir, "- {name: cpuset}\n")
        connected(runtime)
        until(lambda: node.devices == HEALTHY, "served")


def test_a_machine_that_can_be_read_later_is_served_then(
    config: Config, run_dir: Path, start: Start
) -> None:
    start(replace(config, root=run_dir / "later", cgroup_root=run_dir / "none"))
    until(lambda: "MachineUnreadable" in ask(config)[1], "told")
    with (
        FakePodResources(config.pod_resources_socket),
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        write_sysfs(run_dir / "later", make_machine())
        until(lambda: {*(node.devices or ())} == {N0, N1}, "listed")


def test_on_cgroup_version_1_nothing_is_advertised_and_nobody_is_adjusted(
    config: Config, start: Start
) -> None:
    (config.cgroup_root / "cpuset").mkdir(parents=True)
    start(config)
    with (
        FakePodResources(config.pod_resources_socket),
        FakeRuntime(config.nri_socket) as runtime,
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        pod = wire.PodSandbox(id="p", uid="u", name="web", namespace="default")
        running = wire.Container(
            id="1", pod_sandbox_id="p", name="web", state=wire.CONTAINER_RUNNING
        )
        session = runtime.accept()
        session.register()
        answer = session.synchronize(wire.SynchronizeRequest(pods=[pod], containers=[running]))

        assert list(answer.update) == []
        until(lambda: "CgroupV1" in ask(config)[1], "told")
        assert ask(config)[0] == 200
        assert not any(one.devices for one in node.plugins)


def test_a_running_container_keeps_its_cpus_whatever_the_pools_become(
    config: Config, run_dir: Path, start: Start
) -> None:
    start(replace(config, pools_file=mounted(run_dir, "- {name: old}\n")))
    pod = wire.PodSandbox(id="p", uid="u", name="llama-0", namespace="default")
    running = wire.SynchronizeRequest(pods=[pod], containers=[held("engine", "2-3")])
    with (
        FakePodResources(
            config.pod_resources_socket,
            {"default/llama-0": [("engine", "numalocal.io/old", ["old-n0-c2x2"])]},
        ),
        FakeRuntime(config.nri_socket) as runtime,
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        connected(runtime, running)
        until(lambda: node.devices, "old pool")
        mounted(run_dir, "- {name: new, size: 1}\n")
        connected(runtime, running)

        until(
            lambda: node.devices == {"new-n0-c2x2": "Unhealthy", "new-n1-c6x2": "Healthy"},
            "what is held is not given out",
        )


@pytest.mark.parametrize("part", ["machine", "pools"])
def test_a_part_that_fails_ends_the_agent_at_once(
    config: Config, caplog: pytest.LogCaptureFixture, part: str
) -> None:
    for_ever = float("inf")  # no thread can wait as long: it raises
    broken = {
        "machine": replace(QUICK, machine_interval_s=for_ever),
        "pools": replace(QUICK, poolfile_interval_s=for_ever),
    }

    well = supervisor.run(config, threading.Event(), broken[part])

    assert not well
    (record,) = [one for one in caplog.records if one.message == "a part of the agent failed"]
    assert record.exc_info
    assert vars(record)["part"] == part


def test_an_agent_that_waits_for_the_runtime_ends_at_once_when_told_to(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    stop, well = threading.Event(), list[bool]()
    agent = threading.Thread(target=lambda: well.append(supervisor.run(config, stop, QUICK)))
    with FakeRuntime(config.nri_socket) as runtime:
        agent.start()
        runtime.accept()  # and never answers

        stop.set()
        agent.join(PATIENCE_S)

    assert well == [True]
    assert "parts do not end" not in caplog.messages


def first_that_speaks(listener: socket.socket) -> socket.socket:
    """Accept who wants something, after those that only look whether somebody listens."""
    while True:
        connection, _ = listener.accept()
        if connection.recv(1):
            return connection
        connection.close()


def test_an_agent_that_is_told_to_end_ends_well_though_a_part_waits_for_the_kubelet(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    stop, well = threading.Event(), list[bool]()
    soon = replace(QUICK, end_s=0.05)
    agent = threading.Thread(target=lambda: well.append(supervisor.run(config, stop, soon)))
    with FakePodResources(config.pod_resources_socket), socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(config.device_plugin_dir / presence.KUBELET_SOCKET))
        silent.listen()  # who connects to register hears nothing
        agent.start()
        registers = first_that_speaks(silent)

        stop.set()
        agent.join(PATIENCE_S)
        registers.close()

    assert well == [True]
    (record,) = [one for one in caplog.records if one.message == "parts do not end"]
    assert "pool-cpuset" in vars(record)["parts"]


def test_of_two_agents_on_a_node_the_second_serves_nobody(config: Config, start: Start) -> None:
    second = replace(config, http_address=Address("127.0.0.1", free_port()))
    with (
        FakePodResources(config.pod_resources_socket),
        FakeKubelet(config.device_plugin_dir) as node,
    ):
        start(config)
        until(lambda: node.devices, "the first is registered")
        start(second)

        until(lambda: "AnotherAgent: another agent" in ask(second)[1], "the second says so")
        assert ask(second)[0] == 200
        assert len(node.registrations) == 1
