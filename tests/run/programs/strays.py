"""Leaves its CPUs for a while, by a name that the kernel cuts inside a letter, and comes back."""

import os
import sys
import threading
import time
from pathlib import Path

others = {int(cpu) for cpu in sys.argv[1].split(",")}
own = os.sched_getaffinity(0)
idle = [threading.Thread(target=time.sleep, args=(9,), daemon=True) for _ in range(8)]


def away() -> None:
    thread = threading.get_native_id()
    Path(f"/proc/self/task/{thread}/comm").write_bytes("fourteen-bytesé".encode())
    os.sched_setaffinity(thread, others)
    time.sleep(3)  # a machine that is busy with others looks seldom
    os.sched_setaffinity(thread, own)


time.sleep(0.3)
stray = threading.Thread(target=away)
stray.start()
stray.join()
for one in idle:  # a fuller look, in which all is well
    one.start()
time.sleep(1.5)
