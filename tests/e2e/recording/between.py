"""Stand between the runtime's NRI socket and its plugins on the node: between.py SOCKET RECORD.

Each line of the record is a number of the connection, who spoke, and the bytes in base64.  It needs
the standard library alone, as it runs on the node; ended by SIGTERM it puts the socket back.
"""

import base64
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TextIO


def main(path: str, record: str) -> None:
    """Serve until told to end."""
    aside = Path(path).rename(f"{path}.aside")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    lock = threading.Lock()
    try:
        with socket.socket(socket.AF_UNIX) as listener, Path(record).open("w") as lines:
            listener.bind(path)
            listener.listen()
            for number in range(1 << 30):
                plugin, _ = listener.accept()
                runtime = socket.socket(socket.AF_UNIX)
                runtime.connect(str(aside))
                for source, target, name in (
                    (plugin, runtime, "plugin"),
                    (runtime, plugin, "runtime"),
                ):
                    told = source, target, f"{number} {name}", lines, lock
                    threading.Thread(target=_pump, args=told, daemon=True).start()
    finally:
        aside.rename(path)


def _pump(
    source: socket.socket, target: socket.socket, who: str, lines: TextIO, lock: threading.Lock
) -> None:
    while data := source.recv(65536):
        # Written before it is handed on, so that no answer comes before its request.
        with lock:
            lines.write(f"{who} {base64.b64encode(data).decode()}\n")
            lines.flush()
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main(*sys.argv[1:])
