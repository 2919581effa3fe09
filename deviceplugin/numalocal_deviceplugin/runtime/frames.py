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
    """Collect received bytes and give out whole frames; one decoder per socket."""

    def __init__(self) -> None:
        self._trunk = bytearray()
        self._streams: dict[int, bytearray] = {}

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Add bytes as they came and yield every frame that is complete now.

        Raises:
            FrameInvalid: where a length is beyond the protocol's limits.
        """
        self._trunk += data
        while (piece := self._piece()) is not None:
            connection, content = piece
            stream = self._streams.setdefault(connection, bytearray())
            stream += content
            while (frame := _frame(connection, stream)) is not None:
                yield frame

    def _piece(self) -> tuple[int, bytes] | None:
        if len(self._trunk) < _MUX.size:
            return None
        connection, length = _MUX.unpack_from(self._trunk)
        if length > MAX_BODY_BYTES + _TTRPC.size:
            raise FrameInvalid(f"a mux frame of {length} bytes is longer than any ttrpc frame")
        end = _MUX.size + length
        if len(self._trunk) < end:
            return None
        content = bytes(self._trunk[_MUX.size : end])
        del self._trunk[:end]
        return connection, content


def _frame(connection: int, stream: bytearray) -> Frame | None:
    """Take one frame off the front of a connection's stream, if it is there whole."""
    if len(stream) < _TTRPC.size:
        return None
    length, stream_id, kind, _flags = _TTRPC.unpack_from(stream)
    if length > MAX_BODY_BYTES:
        raise FrameInvalid(f"a ttrpc body of {length} bytes is longer than {MAX_BODY_BYTES}")
    end = _TTRPC.size + length
    if len(stream) < end:
        return None
    body = bytes(stream[_TTRPC.size : end])
    del stream[:end]
    return Frame(connection=connection, stream=stream_id, kind=kind, body=body)
