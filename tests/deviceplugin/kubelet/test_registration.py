import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from numalocal.sets.assignment import Assignment
from numalocal.sets.pools import Pool
from numalocal_deviceplugin.abilities import Told
from numalocal_deviceplugin.kubelet import presence, registration
from numalocal_deviceplugin.kubelet.podresources import PodResources
from numalocal_deviceplugin.kubelet.presence import Kubelet
from numalocal_deviceplugin.kubelet.registration import PoolServer, Timing
from numalocal_deviceplugin.kubelet.serving import Servers
from numalocal_deviceplugin.refusals import Reason
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2 as wire
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2_grpc

from .. import strange_client
from ..fake_kubelet import FakeKubelet, FakePodResources, Plugin
from ..nodes import N0, N1, make_container, make_machine, make_partition, make_pod
from ..waiting import PATIENCE_S, until

QUICK = Timing(
    register_s=PATIENCE_S,
    poll_s=0.005,
    patience_s=PATIENCE_S,
    retry_first_s=0.01,
    retry_ceiling_s=0.02,
)
IMPATIENT = replace(QUICK, patience_s=0.1)
ASKING = presence.Timing(
    rest_s=0.005, answer_s=PATIENCE_S, retry_first_s=0.01, retry_ceiling_s=0.02
)
HEALTHY = {N0: "Healthy", N1: "Healthy"}


class Server:
    """One pool's server and what asks the kubelet, running; `pods` answers it."""

    def __init__(
        self,
        directory: Path,
        state: State,
        pods: FakePodResources | None = None,
        timing: Timing = QUICK,
    ) -> None:
        self.stop = threading.Event()
        socket = directory.parent / "pods.sock"
        self.pods = pods or FakePodResources(socket)
        self.resources = PodResources(socket)
        kubelet = Kubelet(directory, state, self.resources, ASKING)
        self.open = ExitStack()
        servers = self.open.enter_context(Servers(pools=1))
        pool = PoolServer("cpuset", kubelet, servers, state, timing)
        self.threads = [
            threading.Thread(target=part.run, args=(self.stop,), daemon=True)
            for part in (kubelet, pool)
        ]
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        self.open.close()
        self.resources.close()
        self.pods.close()


def not_registered(state: State) -> str:
    """Give what is said of the pool, empty where it is registered."""
    said = [one for one in state.snapshot().refusals if one.reason is Reason.NOT_REGISTERED]
    assert all(one.subject == "cpuset" for one in said)
    return "".join(one.message for one in said)


@pytest.fixture
def run_dir(run_dir: Path) -> Path:
    """The kubelet's directory, beside its other sockets."""
    (run_dir / "d").mkdir()
    return run_dir / "d"


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
        until(lambda: kubelet.registrations, "registered")

    (request,) = kubelet.registrations
    assert (request.version, request.endpoint, request.resource_name) == (
        "v1beta1",
        "numalocal-cpuset.sock",
        "numalocal.io/cpuset",
    )
    assert request.options.get_preferred_allocation_available
    assert not request.options.pre_start_required


def test_however_many_read_the_list_the_kubelet_is_answered(plugin: Plugin, run_dir: Path) -> None:
    """Each reader takes a thread of the server's until its call is gone."""
    reading, refused = [], []
    with ExitStack() as left_at_end:
        for _ in range(12):
            channel = left_at_end.enter_context(
                grpc.insecure_channel(
                    f"unix:{run_dir}/numalocal-cpuset.sock",
                    options=[("grpc.use_local_subchannel_pool", 1)],
                )
            )
            stub = deviceplugin_v1beta1_pb2_grpc.DevicePluginStub(channel)
            reading.append(stub.ListAndWatch(wire.Empty(), timeout=PATIENCE_S))
            try:
                next(reading[-1])
            except grpc.RpcError as error:
                refused.append(error.code())

        assert allocate(plugin, [N0]).container_responses
    assert {*refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert plugin.devices == HEALTHY


def test_every_set_is_listed_without_a_node_that_would_undo_the_placement(plugin: Plugin) -> None:
    assert plugin.devices == HEALTHY
    assert plugin.nodes == {N0: [], N1: []}


def test_a_pool_that_packs_lists_its_sets_with_their_numa_nodes(run_dir: Path) -> None:
    state = State(make_machine(), make_partition([Pool(name="cpuset", placement="Pack")]))
    state.runtime_told(Told("containerd", "2.4.2"))
    state.runtime_synchronized()
    with FakeKubelet(run_dir) as kubelet:
        server = Server(run_dir, state)
        until(lambda: kubelet.devices == HEALTHY, "devices are listed")
        assert kubelet.plugin.nodes == {N0: [0], N1: [1]}
        server.end()


@pytest.mark.parametrize("containers", [65, 100_000])
def test_a_request_of_more_containers_than_a_pod_has_is_refused_at_once(
    plugin: Plugin, containers: int
) -> None:
    with pytest.raises(grpc.RpcError, match="containers are asked for in one request"):
        allocate(plugin, *[[]] * containers)


@pytest.mark.parametrize("ids", [["x" * 5000], ["x"] * 50_000, ["x\x1b[2J"]])
def test_whatever_ids_are_asked_for_the_refusal_is_a_short_sentence(
    plugin: Plugin, ids: list[str]
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        allocate(plugin, ids)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().isprintable()
    assert len(caught.value.details()) < 500


def test_a_request_that_is_larger_than_all_ids_of_a_node_is_not_read(plugin: Plugin) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        allocate(plugin, ["x" * 60] * 20_000)

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


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

    assert plugin.ended.wait(PATIENCE_S)
    assert plugin.lists in ([HEALTHY], [HEALTHY, {}])


def test_a_set_that_a_pod_holds_is_unhealthy_only_while_the_kubelet_does_not_list_it(
    plugin: Plugin, state: State
) -> None:
    first = state.snapshot().node.partition.sets[0]
    pod, given = make_pod(), Assignment.of([first])
    container = make_container(assignment=given.to_json())
    before = state.snapshot().node.ledger
    state.admit(pod, container, given)
    state.created(pod, container)

    state.set_listing({}, before)  # asked before the kubelet gave it
    state.set_listing({(pod.namespace, pod.name): frozenset({N0})}, state.snapshot().node.ledger)
    state.set_listing({}, state.snapshot().node.ledger)  # deleted by force: its processes live on
    until(lambda: plugin.devices == {N0: "Unhealthy", N1: "Healthy"}, "held by another")

    state.gone(pod)

    until(lambda: plugin.devices == HEALTHY, "free again")
    assert plugin.lists == [HEALTHY, {N0: "Unhealthy", N1: "Healthy"}, HEALTHY]


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

        assert kubelet.plugin.ended.wait(PATIENCE_S)
    assert not (run_dir / "numalocal-cpuset.sock").exists()


def test_a_kubelet_that_is_not_there_yet_is_awaited(
    server: Server, run_dir: Path, state: State
) -> None:
    until(lambda: "waits for what the node refuses" in not_registered(state), "told")

    with FakeKubelet(run_dir) as kubelet:
        until(lambda: kubelet.devices == HEALTHY, "devices are listed")
        until(lambda: not not_registered(state), "nothing is refused any more")


def test_a_dead_kubelets_socket_is_waited_with_until_a_live_one_answers(
    run_dir: Path, state: State
) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(run_dir / "kubelet.sock"))
    server = Server(run_dir, state)
    until(lambda: "does not listen" in str(state.snapshot().node.barred), "told")

    with FakeKubelet(run_dir) as kubelet:
        until(lambda: kubelet.devices == HEALTHY, "devices are listed")
    server.end()


def test_a_kubelet_that_does_not_take_the_registration_is_quoted_and_asked_again(
    run_dir: Path, state: State
) -> None:
    refuses = threading.Event()
    refuses.set()

    def answer() -> None:
        if refuses.is_set():
            raise ValueError("the version is not supported")

    with FakeKubelet(run_dir, before_answer=answer) as kubelet:
        server = Server(run_dir, state)
        until(lambda: "the version is not supported" in not_registered(state), "quoted")
        assert "pool cpuset is not registered with the kubelet: " in not_registered(state)
        assert ", UNKNOWN; it is tried again" in not_registered(state)
        refuses.clear()

        until(lambda: kubelet.devices == HEALTHY, "devices are listed")
        server.end()


def test_nothing_is_served_before_the_kubelet_has_told_its_policy(
    run_dir: Path, state: State
) -> None:
    pods = FakePodResources(run_dir.parent / "pods.sock")
    pods.hold.clear()
    with FakeKubelet(run_dir) as kubelet:
        server = Server(run_dir, state, pods)
        until(lambda: "waits for what the node refuses" in not_registered(state), "told")
        assert not list(run_dir.glob("numalocal-*"))
        assert kubelet.registrations == []

        server.pods.hold.set()

        until(lambda: kubelet.devices, "devices are listed")
        assert kubelet.plugin.lists[0] == HEALTHY
        server.end()


def test_a_new_kubelet_gets_no_registration_before_its_own_policy_is_known(
    server: Server, run_dir: Path, state: State
) -> None:
    with FakeKubelet(run_dir) as kubelet:
        until(lambda: kubelet.devices, "devices are listed")
    server.pods.cpu_ids = [1, 2]

    with FakeKubelet(run_dir) as kubelet:
        until(lambda: state.snapshot().facts.policy is Policy.STATIC, "it pins")
        refused = [Reason.POLICY_STATIC, Reason.NOT_REGISTERED]
        until(lambda: [one.reason for one in state.snapshot().refusals] == refused, "told")

        assert not kubelet.registrations


def test_the_first_list_that_a_kubelet_reads_is_healthy_though_registering_goes_on(
    run_dir: Path, state: State
) -> None:
    """The kubelet may read the list before its answer to Register has come."""
    read: list[dict[str, str]] = []
    said: list[str] = []

    def read_first() -> None:
        with Plugin(run_dir / "numalocal-cpuset.sock") as plugin:
            plugin.watch()
            until(lambda: plugin.lists, "a list is read")
            said.append(not_registered(state))
            read.extend(plugin.lists)

    with FakeKubelet(run_dir, before_answer=read_first):
        server = Server(run_dir, state)
        until(lambda: read, "read")
        server.end()

    assert all(said)
    assert all(one == HEALTHY for one in read)


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
    server: Server, run_dir: Path
) -> None:
    """The file systems of nodes reuse an inode number at once, so its time tells them apart."""
    with FakeKubelet(run_dir) as kubelet:
        until(lambda: kubelet.devices, "devices are listed")
        path = run_dir / "kubelet.sock"
        before = path.stat()
        path.chmod(0o600)  # a new ctime on the same inode: what a re-used number looks like

        assert path.stat().st_ino == before.st_ino
        until(lambda: len(kubelet.registrations) > 1, "registered again")


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


def answers(plugin: Plugin) -> bool:
    try:
        allocate(plugin, [N0])
    except grpc.RpcError:
        return False
    return True


def test_after_a_call_of_what_is_no_text_the_kubelet_is_answered(
    server: Server, run_dir: Path
) -> None:
    """Some versions of grpc.aio end their server there, and it is served again."""
    with FakeKubelet(run_dir) as kubelet:
        until(lambda: kubelet.devices, "devices are listed")

        with strange_client.connected(run_dir / "numalocal-cpuset.sock") as strange:
            strange.sendall(strange_client.greeting() + strange_client.call(b"/\xff"))
            answer = b""
            while b"grpc-status" not in answer and (more := strange.recv(1 << 16)):
                answer += more

        until(lambda: answers(kubelet.plugin), "answered")
        until(lambda: kubelet.devices == HEALTHY, "devices are listed")


@pytest.fixture
def impatient(run_dir: Path, state: State) -> Iterator[Server]:
    """A server that soon registers again where the kubelet does not read."""
    running = Server(run_dir, state, timing=IMPATIENT)
    yield running
    running.end()


def test_a_kubelet_that_stops_reading_gets_a_new_registration(
    impatient: Server, run_dir: Path
) -> None:
    with FakeKubelet(run_dir) as kubelet:
        until(lambda: kubelet.devices, "devices are listed")
        plugin = kubelet.plugin

        plugin.stop_watching()

        until(lambda: kubelet.plugin is not plugin, "registered again")


def test_a_kubelet_that_goes_on_reading_is_left_alone(impatient: Server, run_dir: Path) -> None:
    """One that is slow to begin is registered again; whoever reads is left alone from then on."""

    def left_alone() -> bool:
        plugin = kubelet.plugin
        return not plugin.ended.wait(1.5 * IMPATIENT.patience_s) and plugin is kubelet.plugin

    with FakeKubelet(run_dir) as kubelet:
        until(lambda: kubelet.devices, "devices are listed")
        until(left_alone, "left alone")


def test_a_directory_that_is_missing_is_reported_and_awaited(run_dir: Path, state: State) -> None:
    directory = run_dir / "device-plugins"
    server = Server(directory, state)
    until(lambda: f"listen at {directory}" in str(state.snapshot().node.barred), "reported")

    directory.mkdir()
    with FakeKubelet(directory) as kubelet:
        until(lambda: kubelet.devices == HEALTHY, "devices are listed")
    server.end()


def test_a_socket_that_cannot_be_made_is_told_with_its_path(run_dir: Path, state: State) -> None:
    directory = run_dir / ("x" * (89 - len(str(run_dir))))
    directory.mkdir()
    with FakeKubelet(directory):  # whose own name is short enough
        server = Server(directory, state)
        until(lambda: "cannot be served at" in not_registered(state), "told")
        server.end()

    assert f"{directory}/numalocal-cpuset.sock" in not_registered(state)
    assert len(not_registered(state)) < 500


def test_a_registration_is_given_three_seconds() -> None:
    assert registration.Timing().register_s == 3
