"""Whatever a runtime, a kubelet or a client of the probes sends, the agent goes on serving."""

import logging
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest

from numalocal_deviceplugin.config import Address
from numalocal_deviceplugin.errors import AgentError, DevicesUnknown, KubeletSilent
from numalocal_deviceplugin.kubelet.podresources import PodResources
from numalocal_deviceplugin.node.http import HttpServer, Response
from numalocal_deviceplugin.runtime.plugin import Plugin
from numalocal_deviceplugin.runtime.ttrpc import Connection
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri
from numalocal_deviceplugin.wire import podresources_v1_pb2 as wire

from ..fake_runtime import PLUGIN_SERVICE, Session, field
from ..nodes import N0, N1, make_state
from ..waiting import PATIENCE_S
from . import seeds, spoiling
from .test_hostile_messages import asked, devices_within, serves

CONNECTIONS, ANSWERS, REQUESTS = 80, 120, 250
LIMIT_S = PATIENCE_S
METHODS = {
    "configure": "Configure",
    "synchronize": "Synchronize",
    "create_container": "CreateContainer",
    "update_container": "UpdateContainer",
    "stop_container": "StopContainer",
    "remove_container": "RemoveContainer",
    "sandbox_gone": "StopPodSandbox",
    "state_change": "StateChange",
    "validate": "ValidateContainerAdjustment",
    "shutdown": "Shutdown",
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def said(random: Random) -> bytes:
    """Write what a runtime may send: requests with odd envelopes, answers to nothing, noise."""
    written = bytearray()

    class Writer:
        def sendall(self, data: bytes) -> None:
            written.extend(data)

        def settimeout(self, _timeout_s: float) -> None:
            pass

    writer: Any = Writer()
    session = Session(writer)
    for _ in range(random.randrange(1, 5)):
        method, payload = asked(random)
        name = random.choice((METHODS[method], METHODS[method], "x", "", "ä" * 900))
        body = (
            field(1, PLUGIN_SERVICE.encode()) + field(2, name.encode()) + field(3, payload[:4000])
        )
        body += field(4, random.choice((0, 1, 10**9, 2**63 - 1, 2**64 - 1)))
        body = spoiling.mutated(random, body) if random.random() < 0.3 else body
        session.send(
            random.choice((1, 1, 1, 2, 3, 0)),
            random.choice((0, 1, 1, 3, 2**32 - 1)),
            random.choice((1, 1, 1, 2, 3, 0, 255)),
            body,
            piece=random.choice((1000, 4096, 100_000)),
        )
    return bytes(written)


def test_any_bytes_of_a_runtime_are_answered_or_end_the_connection() -> None:
    state = make_state()

    def check(random: Random) -> None:
        data = said(random)
        data = spoiling.mutated(random, data) if random.random() < 0.5 else data
        ours, theirs = socket.socketpair()
        theirs.settimeout(LIMIT_S)
        connection = Connection(ours, Plugin(state, devices_within).methods())
        reader = threading.Thread(target=drain, args=(theirs,))
        reader.start()
        step = random.choice((1 << 20, 4096, 999))
        try:
            with suppress(BrokenPipeError, ConnectionResetError):
                for at in range(0, len(data), step):
                    theirs.sendall(data[at : at + step])
                theirs.shutdown(socket.SHUT_WR)
            assert connection.wait_closed(LIMIT_S), "it does not end"
            started_s = time.monotonic()
            connection.wait_answered(LIMIT_S)
            assert time.monotonic() - started_s < LIMIT_S, "it waits for what nobody answers"
        finally:
            connection.close()
            reader.join(LIMIT_S)
            theirs.close()

    seeds.each(seeds.of(CONNECTIONS), check)
    serves(state)


def drain(sock: socket.socket) -> None:
    with suppress(OSError):
        while sock.recv(1 << 16):
            pass


def test_a_connection_that_ends_leaves_nothing_behind() -> None:
    state = make_state()
    threads = {*threading.enumerate()}

    def connect(number: int) -> None:
        ours, theirs = socket.socketpair()
        connection = Connection(ours, Plugin(state, devices_within).methods())
        session = Session(theirs)
        part = nri.SynchronizeRequest(more=True, pods=[nri.PodSandbox(id="s" * 200_000)])
        session.call("Synchronize", part.SerializeToString())
        session.send(1, number, 1, b"x" * 10)
        session.close()
        assert connection.wait_closed(LIMIT_S)
        connection.close()

    for number in range(20):
        connect(number)
    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot()
        for number in range(20):
            connect(number)
        after = tracemalloc.take_snapshot()
        kept = sum(one.size_diff for one in after.compare_to(before, "filename"))
    finally:
        tracemalloc.stop()
    assert kept < 1 << 20
    assert {*threading.enumerate()} <= threads


class _Lister(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers every method with the same bytes, or with an error's code and text."""

    def __init__(self) -> None:
        self.answer: bytes | tuple[grpc.StatusCode, str] = b""

    def service(self, _details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._serve)

    def _serve(self, _request: bytes, context: Any) -> bytes:
        if isinstance(self.answer, bytes):
            return self.answer
        context.abort(*self.answer)
        raise AssertionError


def listed(random: Random) -> bytes | tuple[grpc.StatusCode, str]:
    ids = (N0, N1, "", "x" * 5000, "\0", "\u202e", "cpuset-n0-c2x2 ", "../..", "ä", "9" * 5000)
    resources = ("numalocal.io/cpuset", "numalocal.io/", "", "numalocal.io", "x", "nvidia.com/gpu")
    if random.random() < 0.2:
        code = random.choice(list(grpc.StatusCode)[1:])
        return code, random.choice(("", "no", "x" * 3000, "\u202e", "a\nb", "%ff%", "[" * 500))
    pods = []
    for _ in range(random.choice((0, 1, 2, 5, 300))):
        devices = [
            wire.ContainerDevices(
                resource_name=random.choice(resources),
                device_ids=random.choices(ids, k=random.choice((0, 1, 2, 70))),
            )
            for _ in range(random.randrange(3))
        ]
        pods.append(
            wire.PodResources(
                name=random.choice(("pod-0", "pod-0", "", "x" * 300)),
                namespace=random.choice(("default", "default", "", "\n")),
                containers=[wire.ContainerResources(name="engine", devices=devices)],
            )
        )
    choices = (
        wire.ListPodResourcesResponse(pod_resources=pods),
        wire.ListPodResourcesResponse(pod_resources=pods),
        wire.GetPodResourcesResponse(pod_resources=pods[0] if pods else None),
        wire.AllocatableResourcesResponse(cpu_ids=[0, 2**62, -1]),
    )
    data: bytes = random.choice(choices).SerializeToString()
    return spoiling.mutated(random, data) if random.random() < 0.3 else data


@pytest.fixture
def lister(run_dir: Path) -> Iterator[tuple[_Lister, PodResources]]:
    handler = _Lister()
    server = grpc.server(
        ThreadPoolExecutor(2), handlers=[handler], options=[("grpc.max_send_message_length", -1)]
    )
    server.add_insecure_port(f"unix:{run_dir}/kubelet.sock")
    server.start()
    with PodResources(run_dir / "kubelet.sock") as resources:
        yield handler, resources
    server.stop(None).wait()


def test_any_answer_of_a_kubelet_is_a_list_or_a_sentence(
    lister: tuple[_Lister, PodResources],
) -> None:
    handler, resources = lister
    state = make_state()

    def check(random: Random) -> None:
        handler.answer = listed(random)
        resources.kubelet_is_new()
        started_s = time.monotonic()
        for ask in (
            lambda: state.set_listing(resources.listing(LIMIT_S), state.snapshot().node.ledger),
            lambda: resources.devices_of("default", "pod-0", LIMIT_S),
            lambda: resources.pins_cpus(LIMIT_S),
        ):
            told = sentence(ask)
            assert len(told) < 1000
            assert told.isprintable()
        assert time.monotonic() - started_s < LIMIT_S
        create(state)

    def sentence(ask: Callable[[], object]) -> str:
        try:
            ask()
        except (KubeletSilent, DevicesUnknown) as error:
            return str(error)
        return ""

    def create(state: Any) -> None:
        within = Plugin(state, resources.devices_of)
        request = nri.CreateContainerRequest()
        request.pod.uid = request.pod.id = "u"
        request.pod.namespace, request.pod.name = "default", "pod-0"
        request.pod.annotations["numalocal.io/bound-containers"] = "check"
        request.container.name = request.container.id = "check"
        with suppress(AgentError):
            within.create_container(request.SerializeToString(), LIMIT_S)

    seeds.each(seeds.of(ANSWERS), check)
    handler.answer = wire.ListPodResourcesResponse().SerializeToString()
    state.set_listing(resources.listing(LIMIT_S), state.snapshot().node.ledger)
    serves(state)


def test_a_list_that_is_too_long_is_refused(lister: tuple[_Lister, PodResources]) -> None:
    handler, resources = lister
    pod = wire.PodResources(name="x" * 1000, namespace="default")
    handler.answer = wire.ListPodResourcesResponse(pod_resources=[pod] * 20_000).SerializeToString()

    with pytest.raises(KubeletSilent, match="RESOURCE_EXHAUSTED"):
        resources.listing(LIMIT_S)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    server = HttpServer(
        Address("127.0.0.1", 0), {"/livez": lambda: Response(200, b"ok\n")}, patience_s=LIMIT_S
    )
    stop = threading.Event()
    thread = threading.Thread(target=server.run, args=(stop,), daemon=True)
    thread.start()
    yield server
    stop.set()
    server.wake()
    thread.join(LIMIT_S)
    assert not thread.is_alive()


def request(random: Random) -> bytes:
    word = random.choice(
        (b"GET", b"get", b"POST", b"", b"\0", b"PRI * HTTP/2.0\r\n\r\nSM", b"\xff")
    )
    place = random.choice(
        (b"/livez", b"/livez?x", b"/", b"*", b"//livez", b"/%00", b"/\xff", b"x" * 9000, b"/../etc")
    )
    version = random.choice((b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9", b"", b"HTTP/1.1 x", b"HTTP/1."))
    headers = b"".join(
        random.choice((b"Host: x\r\n", b"A:" + b"b" * 2000 + b"\n", b":\r\n", b"\r", b"\0\n"))
        for _ in range(random.choice((0, 1, 5)))
    )
    whole = word + b" " + place + b" " + version + b"\r\n" + headers
    whole += random.choice((b"\r\n", b"\n", b"\n\r\n", b"")) + random.choice((b"", b"x" * 20_000))
    match random.randrange(4):
        case 0:
            return spoiling.mutated(random, whole)
        case 1:
            return random.randbytes(random.choice((0, 1, 40, 9000)))
        case _:
            return whole


def test_any_request_is_answered_or_ended_and_the_next_probe_is_served(
    server: HttpServer,
) -> None:
    held: list[socket.socket] = []

    def check(random: Random) -> None:
        sock = socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S)
        with suppress(BrokenPipeError, ConnectionResetError):
            for at in range(0, len(data := request(random)), step := random.choice((7, 10**6))):
                sock.sendall(data[at : at + step])
        if random.random() < 0.5:
            held.append(sock)
            if len(held) > 100:  # more than it keeps
                held.pop(random.randrange(100)).close()
        else:
            sock.close()
        if random.random() < 0.1:
            assert probe(server) == b"HTTP/1.1 200 OK"

    seeds.each(seeds.of(REQUESTS), check)
    assert probe(server) == b"HTTP/1.1 200 OK"
    for sock in held:
        sock.close()


def probe(server: HttpServer) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S) as sock:
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        return sock.recv(1000).partition(b"\r\n")[0]
