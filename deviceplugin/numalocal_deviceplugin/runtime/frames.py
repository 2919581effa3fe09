"""The bytes on the runtime's socket: mux frames that carry ttrpc frames.

    mux frame:    u32 connection, u32 length, piece         big-endian
    ttrpc frame:  u32 length, u32 stream, u8 kind, u8 flags, body

A mux frame is a piece of one connection's byte stream, not a ttrpc frame: a ttrpc frame may come
in many pieces, and one piece may hold several.  Sources: containerd/nri pkg/net/multiplex,
containerd/ttrpc PROTOCOL.md.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from numalocal_deviceplugin.errors import FrameInvalid

PLUGIN_CONNECTION: Final = 1
"""Here the runtime calls us."""
RUNTIME_CONNECTION: Final = 2
"""Here we call the runtime."""

REQUEST: Final = 1
RESPONSE: Final = 2

MAX_PIECE_BYTES: Final = 4096
"""The runtime reads pieces into a buffer of this size and drops who sends a longer one."""
MAX_BODY_BYTES: Final = 4 << 20

_MUX = struct.Struct(">II")
_TTRPC = struct.Struct(">IIBB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One ttrpc frame and the mux connection that it belongs to."""

    connection: int
    stream: int
    kind: int
    body: bytes


def encode(frame: Frame) -> bytes:
    """Give the bytes of a frame, cut into mux pieces; to be sent without anything between.

    Raises:
        FrameInvalid: where the body is longer than ttrpc allows.
    """
    if len(frame.body) > MAX_BODY_BYTES:
        raise FrameInvalid(
            f"a ttrpc body of {len(frame.body)} bytes is longer than the {MAX_BODY_BYTES} allowed"
        )
    data = _TTRPC.pack(len(frame.body), frame.stream, frame.kind, 0) + frame.body
    pieces = (data[at : at + MAX_PIECE_BYTES] for at in range(0, len(data), MAX_PIECE_BYTES))
    return b"".join(_MUX.pack(frame.connection, len(piece)) + piece for piece in pieces)


class Decoder:
    """Collect received bytes and give out whole frames; one decoder per socket.

    Of each of our two connections it keeps at most one frame that is not complete, and of any other
    nothing: nobody opens one, and who sends pieces for it must not fill our memory.
    """

    def __init__(self) -> None:
        self._header = b""
        self._connection = 0
        self._missing = 0
        self._streams = {PLUGIN_CONNECTION: bytearray(), RUNTIME_CONNECTION: bytearray()}

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Add bytes as they came and yield every frame that is complete now.

        Raises:
            FrameInvalid: where a length is beyond the protocol's limits.
        """
        at = 0
        while at < len(data):
            if not self._missing:
                at += self._begin(data[at : at + _MUX.size - len(self._header)])
                continue
            part = data[at : at + self._missing]
            at += len(part)
            self._missing -= len(part)
            if (stream := self._streams.get(self._connection)) is not None:
                stream += part
                yield from _frames(self._connection, stream)

    def _begin(self, data: bytes) -> int:
        """Take bytes of a piece's header, and give how many."""
        self._header += data
        if len(self._header) == _MUX.size:
            self._connection, self._missing = _MUX.unpack(self._header)
            self._header = b""
            if self._missing > MAX_BODY_BYTES + _TTRPC.size:
                raise FrameInvalid(
                    f"a mux frame of {self._missing} bytes is longer than any ttrpc frame"
                )
        return len(data)


def _frames(connection: int, stream: bytearray) -> Iterator[Frame]:
    """Take all frames off the front of a connection's stream that are there whole."""
    while len(stream) >= _TTRPC.size:
        length, stream_id, kind, _flags = _TTRPC.unpack_from(stream)
        if length > MAX_BODY_BYTES:
            raise FrameInvalid(f"a ttrpc body of {length} bytes is longer than {MAX_BODY_BYTES}")
        end = _TTRPC.size + length
        if len(stream) < end:
            return
        body = bytes(stream[_TTRPC.size : end])
        del stream[:end]
        yield Frame(connection=connection, stream=stream_id, kind=kind, body=body)
