"""Takes a while to end, once as many replicas as the argument says were asked to."""

import os
import signal
import sys
import time
from pathlib import Path


def end(*_: object) -> None:
    print("asked", flush=True)
    Path(f"asked-{os.getpid()}").touch()
    until_s = time.monotonic() + 5
    while len([*Path().glob("asked-*")]) < int(sys.argv[1]) and time.monotonic() < until_s:
        time.sleep(0.01)
    time.sleep(1)  # what the others have said is read meanwhile
    print("ended", flush=True)
    sys.exit(3)


signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(600)
