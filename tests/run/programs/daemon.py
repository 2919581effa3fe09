"""Leaves a daemon behind, which keeps standard output; with an argument it runs on those CPUs."""

import os
import sys
import time

ready, done = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        if len(sys.argv) > 1:
            os.sched_setaffinity(0, {int(cpu) for cpu in sys.argv[1].split(",")})
        print(f"daemon {os.getpid()}", flush=True)
        os.write(done, b".")
        time.sleep(600)
    os._exit(0)
os.wait()
os.read(ready, 1)
time.sleep(1.5)
print("left", flush=True)
