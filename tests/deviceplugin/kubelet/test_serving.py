import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import grpc
import pytest

from numalocal_deviceplugin.kubelet.podresources import PodResources
from numalocal_deviceplugin.kubelet.service import DevicePluginService
from numalocal_deviceplugin.kubelet.serving import Servers
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State
from numalocal_deviceplugin.wire import deviceplugin_v1beta1_pb2 as wire

from .. import strange_client
from ..descriptors import no_descriptors, open_files
from ..fake_kubelet import Plugin
from ..waiting import PATIENCE_S, until


@pytest.fixture
def servers(run_dir: Path) -> Iterator[Servers]:
    """Beside the agent's channel to PodResources, which keeps gRPC's own poller open."""
    with PodResources(run_dir / "pods.sock"), Servers(pools=1) as servers:
        yield servers


@pytest.fixture
def socket(run_dir: Path) -> Path:
    return run_dir / "numalocal-cpuset.sock"


def served(servers: Servers, state: State, socket: Path) -> None:
    """Serve for as long as one reader takes to have a list and one call to be answered."""
    with servers.serving(DevicePluginService("cpuset", state), socket), Plugin(socket) as plugin:
        plugin.watch()
        until(lambda: plugin.lists, "a list is read")
        plugin.stub.GetDevicePluginOptions(wire.Empty(), timeout=PATIENCE_S)


def test_a_server_that_finds_no_descriptor_is_refused_and_served_later(
    servers: Servers, state: State, socket: Path
) -> None:
    served(servers, state, socket)
    with no_descriptors(), pytest.raises(RuntimeError, match="bind"):
        served(servers, state, socket)

    served(servers, state, socket)


def test_servers_that_come_and_go_leave_nothing_behind(
    servers: Servers, state: State, socket: Path
) -> None:
    served(servers, state, socket)
    opened, threads = open_files(), threading.active_count()
    for _ in range(20):
        served(servers, state, socket)

    # A connection that has just ended may be closed a moment later.
    until(lambda: open_files() <= opened, "no more descriptors")
    until(lambda: threading.active_count() <= threads + 8, "no more threads than the pool's")


def test_rounds_of_servers_leave_nothing_behind(state: State, socket: Path) -> None:
    opened, threads = open_files(), threading.active_count()
    for _ in range(10):
        with Servers(pools=1) as servers:
            served(servers, state, socket)

    until(lambda: open_files() <= opened, "no more descriptors")
    until(lambda: threading.active_count() <= threads, "no more threads")


def test_servers_that_end_leave_no_pool_waiting_that_begins_or_ends_just_then(
    state: State, run_dir: Path
) -> None:
    def pool(servers: Servers, socket: Path, stop: threading.Event) -> None:
        service = DevicePluginService("cpuset", state)
        while not stop.is_set():
            try:
                with servers.serving(service, socket):
                    time.sleep(0.001)
            except RuntimeError:
                return

    for _ in range(10):
        stop = threading.Event()
        with Servers(pools=3) as servers:
            threads = [
                threading.Thread(
                    target=pool, args=(servers, run_dir / f"{one}.sock", stop), daemon=True
                )
                for one in range(3)
            ]
            for thread in threads:
                thread.start()
            time.sleep(0.02)
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def test_who_never_reads_holds_up_neither_other_readers_nor_the_end(
    servers: Servers, state: State, socket: Path
) -> None:
    with ExitStack() as left_open:
        service = DevicePluginService("cpuset", state)
        with servers.serving(service, socket), Plugin(socket) as plugin:
            for _ in range(3):
                one = left_open.enter_context(strange_client.connected(socket))
                one.sendall(strange_client.greeting(window=0))
                one.sendall(strange_client.call(strange_client.LIST_AND_WATCH))
            plugin.watch()
            until(lambda: plugin.lists, "a list is read")

            state.set_policy(Policy.STATIC)

            until(lambda: plugin.devices == {}, "the change is read")
        assert not service.watched


def test_who_has_said_little_does_not_hold_up_the_end(
    servers: Servers, state: State, socket: Path
) -> None:
    called = strange_client.greeting() + strange_client.call(strange_client.LIST_AND_WATCH)
    service = DevicePluginService("cpuset", state)
    with ExitStack() as left_open, servers.serving(service, socket):
        for length in range(0, len(called), 7):
            one = left_open.enter_context(strange_client.connected(socket))
            one.sendall(called[:length])


def test_a_reader_that_vanishes_while_it_is_sent_something_is_no_error(
    servers: Servers, state: State, socket: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = DevicePluginService("cpuset", state)
    with servers.serving(service, socket):
        for _ in range(50):
            with strange_client.connected(socket) as one:
                one.sendall(strange_client.greeting(window=0))
                one.sendall(strange_client.call(strange_client.LIST_AND_WATCH))
                until(lambda: service.watched, "it is sent a list")
            until(lambda: not service.watched, "it has gone")

    assert not [one for one in caplog.records if one.levelname == "ERROR"]


class Failing(DevicePluginService):
    def _allocate(self, _request: wire.ContainerAllocateRequest) -> NoReturn:
        raise LookupError("nobody thought of this")


def test_a_call_that_fails_as_nobody_thought_ends_alone(
    servers: Servers, state: State, socket: Path
) -> None:
    with servers.serving(Failing("cpuset", state), socket), Plugin(socket) as plugin:
        plugin.watch()
        until(lambda: plugin.lists, "a list is read")

        one = wire.ContainerAllocateRequest()
        request = wire.AllocateRequest(container_requests=[one])
        with pytest.raises(grpc.RpcError, match="nobody thought of this"):
            plugin.stub.Allocate(request, timeout=PATIENCE_S)

        assert plugin.stub.GetDevicePluginOptions(wire.Empty(), timeout=PATIENCE_S)
        assert not plugin.ended.is_set()
