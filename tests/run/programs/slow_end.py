"""Takes a while to end."""

import signal
import sys
import time


def end(*_: object) -> None:
    print("asked", flush=True)
    time.sleep(1)
    print("ended", flush=True)
    sys.exit(3)


signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(600)
