"""What containerd 2.4 said to an agent on the lab, said again: a worker's whole life.

The file is made anew by `make recording` (tests/e2e/README.md).  The lab's node is cut as the one
of these tests is, so what is answered must be what was answered there, but for its memory.
"""

import base64
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from numalocal_deviceplugin.facts import RequiredPlugins
from numalocal_deviceplugin.snapshot import Snapshot
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as wire

from ..fake_runtime import PLUGIN, Decoder, FakeRuntime, Frame, fields, text
from ..nodes import N0, N1, make_state
from .test_nri import Agent

FILE = Path(__file__).parent / "containerd-2.4.txt.gz"
REQUEST, RESPONSE = 1, 2
NAME = "recorded-0"
CREATIONS = {"CreateContainer", "ValidateContainerAdjustment"}


@dataclass(frozen=True)
class Piece:
    """What one side said at once."""

    of_plugin: bool
    data: bytes


@dataclass(frozen=True)
class Life:
    """What was said again, and what was answered then and now, by the stream of the request."""

    requests: dict[int, tuple[str, bytes]]
    then: dict[int, bytes]
    now: dict[int, bytes]
    last: Snapshot

    def of(self, method: str) -> list[int]:
        return [stream for stream, (name, _) in self.requests.items() if name == method]

    def created(self, container: str) -> tuple[wire.ContainerAdjustment, wire.ContainerAdjustment]:
        """Give how the worker's container was adjusted, then and now."""
        for stream in self.of("CreateContainer"):
            request = wire.CreateContainerRequest.FromString(self.requests[stream][1])
            if (request.pod.name, request.container.name) == (NAME, container):
                return adjusted(self.then[stream]), adjusted(self.now[stream])
        raise AssertionError(f"{container} was not created")


def adjusted(answer: bytes) -> wire.ContainerAdjustment:
    return wire.CreateContainerResponse.FromString(payload(answer, 2)).adjust


def payload(body: bytes, field: int) -> bytes:
    found = fields(body).get(field, b"")
    assert isinstance(found, bytes)
    return found


def pieces() -> Iterator[Piece]:
    for line in gzip.decompress(FILE.read_bytes()).decode().splitlines():
        who, data = line.split()
        yield Piece(who == "plugin", base64.b64decode(data))


def said_by_runtime(said: Sequence[Piece]) -> dict[int, tuple[str, bytes]]:
    heard = Decoder()
    frames = [one for piece in said if not piece.of_plugin for one in heard.feed(piece.data)]
    asked = (one for one in frames if one.connection == PLUGIN and one.kind == REQUEST)
    return {one.stream: (text(fields(one.body)[2]), payload(one.body, 3)) for one in asked}


def answers(frames: Sequence[Frame]) -> dict[int, bytes]:
    answered = (one for one in frames if one.connection == PLUGIN and one.kind == RESPONSE)
    return {one.stream: one.body for one in answered}


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """Say it all again, each piece once the agent has said what it had said before that."""
    said = list(pieces())
    state = make_state(synchronized=False)
    path = tmp_path_factory.mktemp("nri") / "nri.sock"
    with FakeRuntime(path) as runtime:
        agent = Agent(path, state, devices_within=lambda namespace, name, timeout_s: [device(said)])
        try:
            session, heard = runtime.accept(), Decoder()
            then: list[Frame] = []
            for piece in said:
                if piece.of_plugin:
                    then += heard.feed(piece.data)
                    session.hear(len(then))
                else:
                    session.sock.sendall(piece.data)
            now, last = answers(session.heard), state.snapshot()
        finally:
            agent.end()
    return Life(said_by_runtime(said), answers(then), now, last)


def device(said: Sequence[Piece]) -> str:
    """Find which set the kubelet had given, as the engine was bound there."""
    heard = Decoder()
    frames = [one for piece in said if piece.of_plugin for one in heard.feed(piece.data)]
    bound = {adjusted(body).linux.resources.cpu.cpus for body in answers(frames).values()}
    return N0 if "2-3" in bound else N1


def test_every_request_is_answered_and_none_as_unknown_or_wrong(life: Life) -> None:
    assert life.now.keys() == life.then.keys() == life.requests.keys()
    assert {text(fields(payload(one, 1)).get(2, b"")) for one in life.now.values()} == {""}


def test_it_calls_a_method_for_each_event_and_validates_each_creation(life: Life) -> None:
    methods = {name for name, _ in life.requests.values()}

    assert methods == {
        "Configure",
        "Synchronize",
        "CreateContainer",
        "ValidateContainerAdjustment",
        "StopContainer",
        "RemoveContainer",
        "StopPodSandbox",
        "RemovePodSandbox",
    }
    created, validated = (life.of(f"{name}") for name in sorted(methods & CREATIONS))
    assert len(created) == len(validated)


def test_it_tells_its_version_and_that_of_its_nri(life: Life) -> None:
    (stream,) = life.of("Configure")
    request = wire.ConfigureRequest.FromString(life.requests[stream][1])

    assert (request.runtime_name, request.runtime_version) == ("containerd", "v2.4.2")
    assert request.nri_version == "v0.12.3"
    assert (request.registration_timeout, request.request_timeout) == (5000, 2000)
    assert life.now[stream] == life.then[stream]


def test_its_validator_is_seen(life: Life) -> None:
    assert life.last.facts.runtime.required_plugins is RequiredPlugins.ENFORCED


@pytest.mark.parametrize("container", ["numalocal-check", "engine"])
def test_check_and_engine_are_born_where_they_were(life: Life, container: str) -> None:
    then, now = life.created(container)

    assert now.linux.resources.cpu == then.linux.resources.cpu
    assert now.linux.resources.cpu.cpus in {"2-3", "6-7"}
    assert {one.key: one.value for one in now.env if "MEM" not in one.key} == {
        one.key: one.value for one in then.env if "MEM" not in one.key
    }


def test_nothing_is_held_once_its_sandbox_has_ended(life: Life) -> None:
    assert not life.last.node.ledger.held
