"""May not be read by its own user, as a program that holds keys (PR_SET_DUMPABLE)."""

import ctypes
import time

ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
print("closed", flush=True)
time.sleep(1.5)
