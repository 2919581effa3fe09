"""A client of a gRPC server that says as much of HTTP/2 as it likes, and no more."""

import socket
from pathlib import Path

from .waiting import PATIENCE_S

LIST_AND_WATCH = b"/v1beta1.DevicePlugin/ListAndWatch"

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS = 1, 4
_INITIAL_WINDOW = 4
_NO_MESSAGE = bytes(5)


def connected(path: Path) -> socket.socket:
    """Connect and say nothing."""
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(PATIENCE_S)
    one.connect(str(path))
    return one


def call(method: bytes, stream: int = 1) -> bytes:
    """Call a method with an empty message, in the stream of an odd number."""
    fields = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", method),
        (b":authority", b"localhost"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
    )
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)
    return _frame(_HEADERS, _END_HEADERS, stream, block) + _frame(
        _DATA, _END_STREAM, stream, _NO_MESSAGE
    )


def greeting(window: int = 65535) -> bytes:
    """Begin a connection whose streams may each be sent so many bytes, for ever."""
    setting = _INITIAL_WINDOW.to_bytes(2, "big") + window.to_bytes(4, "big")
    return _PREFACE + _frame(_SETTINGS, 0, 0, setting)


def _text(value: bytes) -> bytes:
    return len(value).to_bytes(1, "big") + value


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload
    )
