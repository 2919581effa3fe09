"""End the process at a time, even if nothing of it has run since: the kernel does.

A process that was stopped can be between the question whether it leads and the write itself, and no
thread of its own can come between.
"""

import ctypes
import signal


class Alarm:
    """Ends the process when its time comes; the exit status is 14, the number of SIGALRM.

    The handler is libc's `_exit`: the default action does not end the first process of a container.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
        libc.signal.restype = ctypes.c_void_p
        libc.signal(signal.SIGALRM, ctypes.cast(libc._exit, ctypes.c_void_p))  # noqa: SLF001

    def set(self, after_s: float) -> None:
        """End the process in so many seconds, unless this is called again; 0 = do not."""
        signal.setitimer(signal.ITIMER_REAL, after_s)
