"""Answers of HTTP in pieces, which take for ever where each piece comes a moment after another."""

import pytest

WELL = "HTTP/1.1 200 OK\r\n"
PIECES = 2000
"""Far more than come in the time that a busy machine may take."""


def bytes_of(text: str) -> list[bytes]:
    return [bytes([one]) for one in text.encode()]


ANSWERS = [
    pytest.param(bytes_of(WELL * 200), id="status"),
    pytest.param([WELL.encode(), *bytes_of("Warning: 299 - dribbling\r\n" * 100)], id="headers"),
    pytest.param([b"HTTP/1.1 100 Continue\r\n\r\n"] * PIECES, id="answers before the answer"),
    pytest.param([f"{WELL}Content-Length: 1000000\r\n\r\n".encode(), *[b" "] * PIECES], id="body"),
    pytest.param([f"{WELL}\r\n".encode(), *[b" "] * PIECES], id="body without end"),
    pytest.param(
        [f"{WELL}Transfer-Encoding: chunked\r\n\r\n".encode(), *[b"1\r\n \r\n"] * PIECES],
        id="chunks",
    ),
    pytest.param(
        [f"{WELL}Transfer-Encoding: chunked\r\n\r\n".encode(), *[b"0"] * PIECES],
        id="a chunk's size",
    ),
    pytest.param(
        [
            f"{WELL}Transfer-Encoding: chunked\r\n\r\n0\r\n".encode(),
            *[b"Trailer: dribbling\r\n"] * PIECES,
        ],
        id="trailers",
    ),
    pytest.param([b"HTTP/1.1 503 Busy\r\n\r\n", *[b" "] * PIECES], id="a refusal"),
]
