"""Processes and threads that come and go, program after program, for some seconds."""

import mmap
import os
import sys
import threading
import time

END_S = time.monotonic() + float(sys.argv[1])


def forks() -> None:
    while time.monotonic() < END_S:
        pid = os.fork()
        if pid == 0:
            if os.fork() == 0:
                os.execv("/bin/sh", ["sh", "-c", "/bin/true; exec /bin/true"])
            os._exit(0)
        os.waitpid(pid, 0)


def threads() -> None:
    while time.monotonic() < END_S:
        several = [threading.Thread(target=time.sleep, args=(0.001,)) for _ in range(20)]
        for one in several:
            one.start()
        for one in several:
            one.join()


def maps() -> None:
    while time.monotonic() < END_S:
        with mmap.mmap(-1, 8 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
            memory[:: mmap.PAGESIZE] = bytes(len(memory) // mmap.PAGESIZE)


for work in (forks, threads, maps):
    threading.Thread(target=work).start()
