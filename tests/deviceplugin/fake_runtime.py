"""A container runtime's side of NRI, written from the wire facts and sharing no code with ours.

Even the envelope's protobuf is written by hand here: a mistake in our frames or in ttrpc.proto
cannot cancel itself out.
"""

import socket
import struct
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

from .waiting import PATIENCE_S

PLUGIN, RUNTIME = 1, 2
PLUGIN_SERVICE = "nri.pkg.api.v1alpha1.Plugin"
LIMIT_S = PATIENCE_S
"""What a handler is told that it may take."""


@dataclass(frozen=True)
class Answer:
    stream: int
    code: int
    message: str
    payload: bytes


@dataclass(frozen=True)
class Request:
    stream: int
    service: str
    method: str
    payload: bytes


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(data: bytes) -> dict[int, bytes | int]:
    out: dict[int, bytes | int] = {}
    at = 0

    def read_varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = read_varint()
        if tag & 7 == 0:
            out[tag >> 3] = read_varint()
        else:
            size = read_varint()
            out[tag >> 3] = data[at : at + size]
            at += size
    return out


def text(value: bytes | int) -> str:
    assert isinstance(value, bytes)
    return value.decode()


@dataclass(frozen=True)
class Frame:
    """One message of ttrpc."""

    connection: int
    stream: int
    kind: int
    body: bytes


class Decoder:
    """Read the messages of one side out of what it writes."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._streams = {PLUGIN: bytearray(), RUNTIME: bytearray()}

    def feed(self, data: bytes) -> list[Frame]:
        """Give the messages that are whole by now, in order."""
        self._data += data
        found: list[Frame] = []
        while len(self._data) >= 8:
            connection, length = struct.unpack(">II", self._data[:8])
            if len(self._data) < 8 + length:
                break
            self._streams[connection] += self._data[8 : 8 + length]
            del self._data[: 8 + length]
            found += self._messages(connection)
        return found

    def _messages(self, connection: int) -> list[Frame]:
        found: list[Frame] = []
        stream = self._streams[connection]
        while len(stream) >= 10:
            size, stream_id, kind, flags = struct.unpack(">IIBB", stream[:10])
            if len(stream) < 10 + size:
                break
            assert flags == 0
            found.append(Frame(connection, stream_id, kind, bytes(stream[10 : 10 + size])))
            del stream[: 10 + size]
        return found


class Session:
    """One accepted plugin; `heard` is all that it said, and `pieces` the sizes of its pieces."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(PATIENCE_S)
        self.pieces: list[int] = []
        self.heard: list[Frame] = []
        self._decoder = Decoder()
        self._frames: deque[Frame] = deque()
        self._next_stream = 1

    def close(self) -> None:
        self.sock.close()

    def send(
        self, connection: int, stream: int, kind: int, body: bytes, *, piece: int = 4096
    ) -> None:
        data = struct.pack(">IIBB", len(body), stream, kind, 0) + body
        for at in range(0, len(data), piece):
            part = data[at : at + piece]
            self.sock.sendall(struct.pack(">II", connection, len(part)) + part)

    def ask(
        self,
        method: str,
        payload: bytes = b"",
        *,
        service: str = PLUGIN_SERVICE,
        piece: int = 4096,
    ) -> int:
        """Send a request and give its stream id; the answer is read by `answer`."""
        stream = self._next_stream
        self._next_stream += 2
        body = field(1, service.encode()) + field(2, method.encode())
        body += field(3, payload) + field(4, int(LIMIT_S * 1e9))
        body += field(5, field(1, b"key") + field(2, b"value"))
        self.send(PLUGIN, stream, 1, body, piece=piece)
        return stream

    def answer(self) -> Answer:
        stream, kind, body = self._next(PLUGIN)
        assert kind == 2
        message = fields(body)
        status = message.get(1, b"")
        assert isinstance(status, bytes)
        parts = fields(status)
        payload, code = message.get(2, b""), parts.get(1, 0)
        assert isinstance(payload, bytes)
        assert isinstance(code, int)
        return Answer(stream, code, text(parts.get(2, b"")), payload)

    def call(self, method: str, payload: bytes = b"", *, piece: int = 4096) -> Answer:
        stream = self.ask(method, payload, piece=piece)
        answer = self.answer()
        assert answer.stream == stream
        return answer

    def request(self) -> Request:
        stream, kind, body = self._next(RUNTIME)
        assert kind == 1
        parts = fields(body)
        payload = parts.get(3, b"")
        assert isinstance(payload, bytes)
        return Request(stream, text(parts[1]), text(parts[2]), payload)

    def reply(self, stream: int, payload: bytes = b"", *, code: int = 0, message: str = "") -> None:
        status = field(1, field(1, code) + field(2, message.encode())) if code else b""
        self.send(RUNTIME, stream, 2, status + field(2, payload))

    def register(self, told: nri.ConfigureRequest | None = None) -> nri.RegisterPluginRequest:
        """Take the registration as containerd does: Configure goes out before the answer."""
        told = told or nri.ConfigureRequest()
        request = self.request()
        assert request.service == "nri.pkg.api.v1alpha1.Runtime"
        assert request.method == "RegisterPlugin"
        configured = self.call("Configure", told.SerializeToString())
        assert configured.code == 0
        self.reply(request.stream)
        return nri.RegisterPluginRequest.FromString(request.payload)

    def synchronize(self, request: nri.SynchronizeRequest | None = None) -> nri.SynchronizeResponse:
        request = request or nri.SynchronizeRequest()
        answer = self.call("Synchronize", request.SerializeToString())
        assert answer.code == 0, answer.message
        return nri.SynchronizeResponse.FromString(answer.payload)

    def hear(self, count: int) -> None:
        """Wait until the plugin has said so many messages."""
        while len(self.heard) < count:
            self._receive()

    def _next(self, connection: int) -> tuple[int, int, bytes]:
        while True:
            for frame in self._frames:
                if frame.connection == connection:
                    self._frames.remove(frame)
                    return frame.stream, frame.kind, frame.body
            self._receive()

    def _receive(self) -> None:
        header = self._read(8)
        (length,) = struct.unpack(">I", header[4:])
        assert length <= 4096, "the runtime would drop the connection"
        self.pieces.append(length)
        frames = self._decoder.feed(header + self._read(length))
        self._frames += frames
        self.heard += frames

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data


class FakeRuntime:
    """Listens like a runtime's nri.sock."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.settimeout(PATIENCE_S)
        self._sessions: list[Session] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for session in self._sessions:
            session.close()

    def accept(self) -> Session:
        sock, _ = self._listener.accept()
        session = Session(sock)
        self._sessions.append(session)
        return session
