"""The mounted file of pools: what it says, and when other pools are to be taken.

A ConfigMap's file is a link that the kubelet swaps, so it is its contents that count.  Pools that
are wrong, or that this machine cannot give, never take the place of pools that serve.
"""

import os
import stat
from pathlib import Path
from typing import Final

from numalocal.errors import PoolUnmet, SpecInvalid
from numalocal.machine.model import Machine
from numalocal.problems import Problem
from numalocal.sets.partition import partition
from numalocal.sets.poolfile import parse_pools
from numalocal.sets.pools import Pool, default_pools
from numalocal.worker.documents import load_one
from numalocal_deviceplugin.refusals import Reason, Refusal

SOURCE: Final = "pools"


def read(path: Path) -> tuple[Pool, ...]:
    """Read the pools; an empty list leaves them to the machine.

    Raises:
        SpecInvalid: where the file cannot be read or has problems, with all of them.
    """
    if _is_no_file(path):  # a pipe would be waited for
        raise SpecInvalid([Problem("file", str(path), "is no file")])
    document = load_one(path)
    return () if document == [] else parse_pools(document)


class PoolFile:
    """Pools as the file says them now; without a path it is left to the machine for ever.

    `pools` are what it says, empty = what suits the machine, None = nothing that can be used.
    `refusals` say why other pools are served than it says.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: object = None
        self._tried: object = None
        self.pools: tuple[Pool, ...] | None = () if path is None else None
        self.refusals: tuple[Refusal, ...] = ()
        self.look()

    def look(self) -> None:
        """Read the file if it is another one than at the last look."""
        if self._path is None or (file := _identity(self._path)) == self._file:
            return
        self._file, self._tried = file, None
        try:
            self.pools, self.refusals = read(self._path), ()
        except SpecInvalid as error:
            self.pools, self.refusals = None, (self._refusal(error),)

    def is_to_be_taken(self, served: tuple[Pool, ...] | None, machine: Machine) -> bool:
        """Tell whether to start again, as `served` is not what the file says and can be given.

        Pools of one kind are always tried together: on a machine that lacks one, none is served.
        """
        if self.pools is None or self.pools == served or self._tried == (self.pools, machine):
            return False
        self._tried = self.pools, machine
        try:
            partition(machine, self.pools or default_pools(machine))
        except PoolUnmet as error:
            self.refusals = (self._refusal(error),)
            return False
        return True

    def _refusal(self, error: SpecInvalid | PoolUnmet) -> Refusal:
        message = f"the pools in {self._path} are not taken; those before, if any, stay: {error}"
        return Refusal(reason=Reason.POOLS_INVALID, message=message)


def _is_no_file(path: Path) -> bool:
    """Tell whether there is something else than a file; what is not there has its own sentence."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def _identity(path: Path) -> object:
    """Tell contents apart; what cannot be opened now may be later, and be the same file still."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return error.errno
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
