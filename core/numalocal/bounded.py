"""Answers of HTTP that have come whole by a time, or never come.

A socket's own timeout begins anew with every byte: whoever sends a byte at a time has no end.
"""

import time
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from typing import Any


def answer(sock: Any, *arguments: Any, until_s: float, **named: Any) -> HTTPResponse:
    """Make what reads an answer from a socket, its status, its headers and its body by one time.

    What comes later raises TimeoutError.  All but `until_s`, by the monotonic clock, is what
    HTTPResponse takes.
    """
    made = HTTPResponse(sock, *arguments, **named)
    whole: Any = made.fp
    made.fp = BufferedReader(_Until(whole.detach(), sock, until_s))
    return made


def left_s(until_s: float) -> float:
    """Give the seconds that are left until a time.

    Raises:
        TimeoutError: where none are.
    """
    left = until_s - time.monotonic()
    if left <= 0:
        raise TimeoutError("the call takes too long")
    return left


class _Until(RawIOBase):
    """Reads a socket until a time."""

    def __init__(self, inner: Any, sock: Any, until_s: float) -> None:
        self._inner = inner
        self._sock = sock
        self._until_s = until_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        self._sock.settimeout(left_s(self._until_s))
        return self._inner.readinto(buffer)

    def close(self) -> None:
        self._inner.close()
        super().close()
