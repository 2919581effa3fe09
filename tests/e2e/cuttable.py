"""A way to the API server over loopback that can be cut: a TCP relay of threads."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_RESET = struct.pack("ii", 1, 0)


class Way:
    """Relays connections to a port.  Cut, it swallows what comes and lets nobody know."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = threading.Event()
        self._open.set()
        self._refuses = False
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def cut(self) -> None:
        """Let nothing through; connections hang, as where a switch drops packets."""
        self._open.clear()

    def refuse(self) -> None:
        """End every connection, and each new one at once: the server is away."""
        self._refuses = True
        self._reset()

    def heal(self) -> None:
        """Let new connections through; what hung is lost with its connection."""
        self._reset()
        self._refuses = False
        self._open.set()

    def serve(self) -> None:
        """Accept until closed."""
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def close(self) -> None:
        """End everything."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._reset()
        self._open.set()

    def _connect(self, near: socket.socket) -> None:
        if self._refuses:
            _reset(near)
            return
        with self._lock:
            self._sockets.add(near)
        self._open.wait()
        try:
            far = socket.create_connection(("127.0.0.1", self._to), timeout=5)
            far.settimeout(None)
        except OSError:
            _reset(near)
            return
        with self._lock:
            self._sockets.add(far)
        threading.Thread(target=self._relay, args=(far, near), daemon=True).start()
        self._relay(near, far)

    def _relay(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 16):
                if not self._open.is_set():
                    self._open.wait()
                    break  # what came while it was cut is gone
                other.sendall(data)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        with self._lock:
            self._sockets -= {one, other}

    def _reset(self) -> None:
        with self._lock:
            hung, self._sockets = self._sockets, set()
        for one in hung:
            _reset(one)


def _reset(one: socket.socket) -> None:
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextmanager
def way(to: int) -> Iterator[Way]:
    """Relay to a port of loopback."""
    made = Way(to)
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.close()
        thread.join(10)
