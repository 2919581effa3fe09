"""The forwarder carries bytes both ways, and outlives a server that is away."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import lab

SCRIPT = Path(lab.__file__).with_name("forward.py")
Address = tuple[str, int]


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@contextmanager
def forwarded(target: Address) -> Iterator[Address]:
    """Run the forwarder on a socket that it inherits; give where to connect."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        command = [sys.executable, "-S", str(SCRIPT), str(number), target[0], str(target[1])]
        with subprocess.Popen(command, pass_fds=[number], stderr=subprocess.PIPE) as process:
            yield listener.getsockname()
            process.terminate()
            assert process.stderr is not None
            assert process.stderr.read() == b""


def echo(listener: socket.socket) -> None:
    """Answer one connection with all that it sent, once it has said everything."""
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(1 << 16):
            connection.sendall(data)


def test_bytes_go_both_ways(server: socket.socket) -> None:
    threading.Thread(target=echo, args=(server,), daemon=True).start()
    sent = bytes(range(256)) * 4096  # more than one buffer

    with (
        forwarded(server.getsockname()) as address,
        socket.create_connection(address, timeout=60) as client,
    ):
        threading.Thread(target=client.sendall, args=(sent,), daemon=True).start()
        received = b""
        while len(received) < len(sent):
            received += client.recv(1 << 16)

    assert received == sent


def test_a_server_that_is_away_ends_the_connection_and_not_the_forwarder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nobody = gone.getsockname()

    with forwarded(nobody) as address:
        for _ in range(2):
            with socket.create_connection(address, timeout=60) as client:
                assert client.recv(1) == b""
