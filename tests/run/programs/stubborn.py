"""Ignores SIGTERM, and so does its child in a session of its own."""

import os
import signal
import time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
os.write(1, b"deaf\n")  # at once: two processes write
time.sleep(600)
