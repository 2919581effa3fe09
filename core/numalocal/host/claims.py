"""CPUs that running workers hold on this machine: locks that the kernel frees with their holder."""

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Self

from numalocal.errors import LaunchFailed
from numalocal.idset import IdSet

DEVICE: Final = Path("/dev/full")
"""Where the locks are.  Every user may open this device for writing, and only root could remove it
or put something in its place: nothing is made that could be a link, be somebody else's, be cleaned
away or not fit on a disk.  A lock changes nothing for those who read or write it."""
_DEVICE_NUMBER: Final = os.makedev(1, 7)
"""Documentation/admin-guide/devices.txt."""
_FLOCK: Final = struct.Struct("hhqqi4x")
"""struct flock of 64-bit Linux: type, whence, start, length, pid (fcntl(2))."""
_BUSY: Final = (errno.EAGAIN, errno.EACCES)


def reach(mounts: str, device: int) -> str:
    """Say where claims on a file system do not hold beyond; empty where all users share it.

    The kernel mounts one devtmpfs; a container has a /dev of its own, and so do services with
    PrivateDevices.  `mounts` is a text as /proc/self/mountinfo has, `device` a file's st_dev.
    """
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        mount, _, source = line.partition(" - ")
        if mount.split()[2:3] == [number] and source.startswith("devtmpfs "):
            return ""
    return f"only among runs that share this {DEVICE.parent}, which is not the machine's own"


class Claims:
    """What this process and its children hold; byte N of the device is CPU N.

    The locks belong to the open file (F_OFD_SETLK, Linux 3.15): children that inherit `fileno`
    hold them as well, and the kernel frees them when the last of these processes has ended,
    however it ended.  They hold between all users.  Sets of other pools that overlap are kept
    apart too.
    """

    def __init__(self, device: Path = DEVICE) -> None:
        """Open the device.

        Raises:
            LaunchFailed: where it cannot be, or is no such device.
        """
        try:
            self._file = os.open(device, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise LaunchFailed(f"{device}: cannot be opened: {error.strerror}") from error
        found = os.fstat(self._file)
        if not stat.S_ISCHR(found.st_mode) or found.st_rdev != _DEVICE_NUMBER:
            os.close(self._file)
            raise LaunchFailed(
                f"{device}: is not the kernel's device 1:7, on which CPUs are claimed"
            )

    def limits(self, mounts: Path = Path("/proc/self/mountinfo")) -> str:
        """Say where the claims do not hold; empty where they hold on the whole machine."""
        try:
            told = mounts.read_text(encoding="utf-8", errors="replace")
        except OSError:
            told = ""
        return reach(told, os.fstat(self._file).st_dev)

    def fileno(self) -> int:
        """Give the descriptor that children inherit to hold the locks too."""
        return self._file

    def taken(self, cpus: IdSet) -> IdSet:
        """Tell which of these CPUs others hold now."""
        found: set[int] = set()
        unsearched = [(0, max(cpus, default=-1) + 1)]
        while unsearched:
            start, end = unsearched.pop()
            if start == end:
                continue
            request = _flock(fcntl.F_WRLCK, start, end - start)
            kind, _, first, length, _ = _FLOCK.unpack(
                fcntl.fcntl(self._file, fcntl.F_OFD_GETLK, request)
            )
            if kind == fcntl.F_UNLCK:
                continue
            # Any lock in the range, not the lowest: there may be others on both sides.  It may
            # begin before what was asked for, and length 0 is without end.
            held = range(max(first, start), min(first + length, end) if length else end)
            found.update(held)
            unsearched += [(start, held.start), (held.stop, end)]
        return cpus & found

    def take(self, cpus: IdSet) -> bool:
        """Hold CPUs; False, and nothing held of them, where others hold any."""
        held: list[tuple[int, int]] = []
        for first, length in _runs(cpus):
            try:
                fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _flock(fcntl.F_WRLCK, first, length))
            except OSError as error:
                self._free(held)
                if error.errno in _BUSY:
                    return False
                raise
            held.append((first, length))
        return True

    def _free(self, runs: Iterable[tuple[int, int]]) -> None:
        for first, length in runs:
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _flock(fcntl.F_UNLCK, first, length))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


def _flock(kind: int, start: int, length: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, start, length, 0)


def _runs(cpus: IdSet) -> Iterator[tuple[int, int]]:
    """Give the first and the number of each run of neighbouring CPUs."""
    for part in str(cpus).split(",") if cpus else ():
        low, _, high = part.partition("-")
        yield int(low), int(high or low) - int(low) + 1
