"""CPUs that running workers hold on this machine: locks that the kernel frees with their holder."""

import errno
import fcntl
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from numalocal.errors import LaunchFailed
from numalocal.idset import MAX_ID, IdSet

_FILE: Final = "cpus.lock"
_FLOCK: Final = struct.Struct("hhqqi4x")
"""struct flock of 64-bit Linux: type, whence, start, length, pid (fcntl(2))."""
_BUSY: Final = (errno.EAGAIN, errno.EACCES)


def directory(environ: Mapping[str, str], uid: int) -> Path:
    """Where the lock file is: /run/numalocal for root, else below $XDG_RUNTIME_DIR or /tmp."""
    if uid == 0:
        return Path("/run/numalocal")
    base = environ.get("XDG_RUNTIME_DIR")
    return Path(base) / "numalocal" if base else Path(f"/tmp/numalocal-{uid}")


class Claims:
    """What this process and its children hold; byte N of the lock file is CPU N.

    The locks belong to the open file (F_OFD_SETLK, Linux 3.15): children that inherit `fileno`
    hold them as well, and the kernel frees them when the last of these processes has ended,
    however it ended.  Sets of other pools that overlap are kept apart too.
    """

    def __init__(self, folder: Path) -> None:
        """Open the lock file.

        Raises:
            LaunchFailed: where it cannot be made.
        """
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(folder / _FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LaunchFailed(f"{folder / _FILE}: cannot be opened: {error.strerror}") from error

    def fileno(self) -> int:
        """Give the descriptor that children inherit to hold the locks too."""
        return self._file

    def taken(self) -> IdSet:
        """Tell which CPUs others hold now."""
        found: set[int] = set()
        start = 0
        while start <= MAX_ID:
            request = _flock(fcntl.F_WRLCK, start, 0)
            kind, _, first, length, _ = _FLOCK.unpack(
                fcntl.fcntl(self._file, fcntl.F_OFD_GETLK, request)
            )
            if kind == fcntl.F_UNLCK:
                break
            start = first + (length or 1)
            found.update(range(first, start))
        return IdSet(found)

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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)


def _flock(kind: int, start: int, length: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, start, length, 0)


def _runs(cpus: IdSet) -> Iterator[tuple[int, int]]:
    """Give the first and the number of each run of neighbouring CPUs."""
    for part in str(cpus).split(",") if cpus else ():
        low, _, high = part.partition("-")
        yield int(low), int(high or low) - int(low) + 1
