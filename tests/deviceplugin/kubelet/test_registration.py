import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from numalocal_deviceplugin.kubelet import registration
from numalocal_deviceplugin.kubelet.registration import PoolServer, Timing, identity
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2 as wire

from ..fake_kubelet import FakeKubelet, Plugin
from ..nodes import N0, N1
from ..waiting import until

QUICK = Timing(
    register_s=0.2, poll_s=0.005, patience_s=0.1, retry_first_s=0.01, retry_ceiling_s=0.02
)
HEALTHY = {N0: "Healthy", N1: "Healthy"}


class Server:
    """One pool's server, running."""

    def __init__(self, directory: Path, state: State) -> None:
        self.registrations = 0
        self.stop = threading.Event()
        server = PoolServer("cpuset", directory, state, self._registered, QUICK)
        self.thread = threading.Thread(target=server.run, args=(self.stop,))
        self.thread.start()

    def _registered(self) -> None:
        self.registrations += 1

    def end(self) -> None:
        self.stop.set()
        self.thread.join(5)
        assert not self.thread.is_alive()


@pytest.fixture
def server(run_dir: Path, state: State) -> Iterator[Server]:
    running = Server(run_dir, state)
    yield running
    running.end()


@pytest.fixture
def plugin(server: Server, run_dir: Path) -> Iterator[Plugin]:
    """The server's plugin as a registered kubelet has dialled it."""
    with FakeKubelet(run_dir) as kubelet:
        until(lambda: kubelet.devices, "devices are listed")
        yield kubelet.plugin


def allocate(plugin: Plugin, *requests: list[str]) -> wire.AllocateResponse:
    response: wire.AllocateResponse = plugin.stub.Allocate(
        wire.AllocateRequest(
            container_requests=[wire.ContainerAllocateRequest(devices_ids=ids) for ids in requests]
        )
    )
    return response


def test_the_pool_is_registered_as_its_resource_on_its_own_socket(
    server: Server, run_dir: Path
) -> None:
    with FakeKubelet(run_dir) as kubelet:
        until(lambda: server.registrations, "registered")

    (request,) = kubelet.registrations
    assert (request.version, request.endpoint, request.resource_name) == (
        "v1beta1",
        "numalocal-cpuset.sock",
        "numalocal.io/cpuset",
    )
    assert request.options.get_preferred_allocation_available
    assert not request.options.pre_start_required


def test_every_set_is_listed_with_its_numa_node(plugin: Plugin) -> None:
    assert plugin.devices == HEALTHY
    assert plugin.nodes == {N0: [0], N1: [1]}


def test_a_change_of_health_reaches_the_kubelet_at_once(plugin: Plugin, state: State) -> None:
    node = state.snapshot().node
    gone = node.partition.sets[0].cpus
    state.set_machine(node.machine.with_online(node.machine.online - gone))

    until(lambda: plugin.devices == {N0: "Unhealthy", N1: "Healthy"}, "unhealthy")
    state.set_machine(node.machine)

    until(lambda: plugin.devices == HEALTHY, "healthy again")


def test_what_changes_nothing_sends_nothing(plugin: Plugin, state: State) -> None:
    for _ in range(5):
        state.wake()
    state.set_policy(Policy.STATIC)

    until(lambda: plugin.devices == {}, "no devices")
    assert plugin.lists == [HEALTHY, {}]


def test_allocate_answers_every_container_with_environment_and_annotation(plugin: Plugin) -> None:
    response = allocate(plugin, [N1, N0], [N0])

    both, one = response.container_responses
    assert both.envs["NUMALOCAL_RANK_CPUS"] == "2-3|6-7"
    assert one.envs["NUMALOCAL_CPUS"] == "2-3"
    assert '"id":"cpuset-n0-c2x2"' in one.annotations["assignment.numalocal.io/cpuset"]


def test_an_unknown_device_is_refused_with_the_sentence(plugin: Plugin) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        allocate(plugin, ["cpuset-n9-c0x2"])

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "device cpuset-n9-c0x2 is not a CPU set of this node" in caught.value.details()


def preferred(plugin: Plugin, available: list[str], must: list[str], size: int) -> list[list[str]]:
    request = wire.ContainerPreferredAllocationRequest(
        available_deviceIDs=available, must_include_deviceIDs=must, allocation_size=size
    )
    response = plugin.stub.GetPreferredAllocation(
        wire.PreferredAllocationRequest(container_requests=[request])
    )
    return [list(one.deviceIDs) for one in response.container_responses]


def test_a_preference_is_given_per_container(plugin: Plugin) -> None:
    assert preferred(plugin, [N0, N1], [N1], 1) == [[N1]]
    assert preferred(plugin, [N1, N0], [], 2) == [[N0, N1]]


def test_a_preference_for_too_many_is_refused(plugin: Plugin) -> None:
    with pytest.raises(grpc.RpcError, match="2 CPU sets are asked for"):
        preferred(plugin, [N0], [], 2)


def test_nothing_is_done_before_a_container_starts(plugin: Plugin) -> None:
    request = wire.PreStartContainerRequest(devices_ids=[N0])

    assert plugin.stub.PreStartContainer(request) == wire.PreStartContainerResponse()


def test_a_stale_socket_of_an_earlier_agent_is_replaced(run_dir: Path, state: State) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(run_dir / "numalocal-cpuset.sock"))
    with FakeKubelet(run_dir) as kubelet:
        server = Server(run_dir, state)
        until(lambda: kubelet.devices == HEALTHY, "devices are listed")
        server.end()


def test_the_end_of_the_server_ends_the_stream_and_removes_the_socket(
    run_dir: Path, state: State
) -> None:
    with FakeKubelet(run_dir) as kubelet:
        server = Server(run_dir, state)
        until(lambda: kubelet.devices, "devices are listed")

        server.end()

        assert kubelet.plugin.ended.wait(2)
    assert not (run_dir / "numalocal-cpuset.sock").exists()


def test_a_kubelet_that_is_not_there_yet_is_awaited(
    server: Server, run_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    until(lambda: "kubelet is not there" in caplog.text, "told")

    with FakeKubelet(run_dir) as kubelet:
        until(lambda: kubelet.devices == HEALTHY, "devices are listed")


def test_a_dead_kubelets_socket_is_tried_until_a_live_one_answers(
    run_dir: Path, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(run_dir / "kubelet.sock"))
    server = Server(run_dir, state)
    until(lambda: "registration failed" in caplog.text, "tried in vain")

    with FakeKubelet(run_dir) as kubelet:
        until(lambda: kubelet.devices == HEALTHY, "devices are listed")
    server.end()


def test_a_kubelet_that_starts_again_and_wipes_the_directory_gets_a_registration(
    server: Server, run_dir: Path
) -> None:
    with FakeKubelet(run_dir) as kubelet:
        until(lambda: kubelet.devices, "devices are listed")
    for path in run_dir.iterdir():
        path.unlink()

    with FakeKubelet(run_dir) as kubelet:
        until(lambda: kubelet.devices == HEALTHY, "devices are listed again")


def test_another_kubelet_socket_is_noticed_even_with_the_old_inode_number(
    server: Server, run_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The file systems of nodes reuse an inode number at once, so its time tells them apart."""
    caplog.set_level("INFO")
    with FakeKubelet(run_dir) as kubelet:
        until(lambda: kubelet.devices, "devices are listed")
        path = run_dir / "kubelet.sock"
        before = path.stat()
        path.chmod(0o600)  # a new ctime on the same inode: what a re-used number looks like

        assert path.stat().st_ino == before.st_ino
        until(lambda: server.registrations > 1, "registered again")
        assert "kubelet.sock is another one" in [
            getattr(record, "reason", "") for record in caplog.records
        ]


def test_an_own_socket_wiped_while_registering_is_served_again(run_dir: Path, state: State) -> None:
    wiped = threading.Event()

    def wipe_once() -> None:
        if not wiped.is_set():
            wiped.set()
            (run_dir / "numalocal-cpuset.sock").unlink()

    with FakeKubelet(run_dir, before_answer=wipe_once) as kubelet:
        server = Server(run_dir, state)

        until(lambda: kubelet.devices == HEALTHY, "devices are listed")
        assert wiped.is_set()
        server.end()


def test_an_own_socket_wiped_while_registered_is_served_again(
    server: Server, run_dir: Path
) -> None:
    with FakeKubelet(run_dir) as kubelet:
        until(lambda: kubelet.devices, "devices are listed")

        (run_dir / "numalocal-cpuset.sock").unlink()

        until(lambda: len(kubelet.plugins) > 1, "registered again")
        until(lambda: kubelet.devices == HEALTHY, "devices are listed again")
        # The old server's end must not take the new one's socket away.
        assert not kubelet.plugin.ended.wait(0.05)
        assert len(kubelet.plugins) == 2


def test_a_kubelet_that_stops_reading_gets_a_new_registration(
    server: Server, run_dir: Path
) -> None:
    with FakeKubelet(run_dir) as kubelet:
        until(lambda: kubelet.devices, "devices are listed")

        kubelet.plugin.stop_watching()

        until(lambda: len(kubelet.plugins) > 1, "registered again")


def test_a_kubelet_that_goes_on_reading_is_left_alone(server: Server, run_dir: Path) -> None:
    with FakeKubelet(run_dir) as kubelet:
        until(lambda: kubelet.devices, "devices are listed")

        assert not kubelet.plugin.ended.wait(1.5 * QUICK.patience_s)

        assert server.registrations == 1


def test_a_directory_that_is_missing_is_reported_and_awaited(
    run_dir: Path, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    directory = run_dir / "device-plugins"
    server = Server(directory, state)
    until(lambda: "device plugin cannot serve" in caplog.text, "reported")

    directory.mkdir()
    with FakeKubelet(directory) as kubelet:
        until(lambda: kubelet.devices == HEALTHY, "devices are listed")
    server.end()


def test_sockets_are_told_apart_by_inode_and_change_time(run_dir: Path) -> None:
    path = run_dir / "a.sock"
    assert identity(path) is None
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
        first = identity(path)
        assert first is not None
        assert identity(path) == first

        os.utime(path)

        later = identity(path)
        assert later is not None
        assert later.inode == first.inode
        assert later != first


def test_a_registration_is_given_three_seconds() -> None:
    assert registration.Timing().register_s == 3
