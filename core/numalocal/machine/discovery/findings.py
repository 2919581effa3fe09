"""Gather what is inconsistent while a machine is read, so that nothing is a guess in silence."""

from collections.abc import Callable
from typing import Final, TypeVar

from numalocal.errors import MachineUnreadable
from numalocal.idset import IdSet
from numalocal.machine.model import Finding
from numalocal.machine.sysfs import Sysfs

Value = TypeVar("Value")

_MOST_SHOWN: Final = 300


class Findings:
    """The findings so far, in the order in which they were made, each once."""

    def __init__(self) -> None:
        self._findings: dict[Finding, None] = {}

    def add(self, path: str, message: str) -> None:
        """Note what is wrong with a file, and what is made of it."""
        if len(message) > _MOST_SHOWN:
            message = f"{message[:_MOST_SHOWN]}..."
        self._findings[Finding(f"/{path.lstrip('/')}", message)] = None

    def read(self, reader: Callable[..., Value | None], *arguments: str) -> Value | None:
        """Read a file; one that is unreadable or malformed is noted and taken as missing."""
        try:
            return reader(*arguments)
        except MachineUnreadable as error:
            self.add(error.path, f"{error.message}; taken as missing")
            return None

    def ids(self, sysfs: Sysfs, *files: str) -> IdSet | None:
        """Read a set of ids from the first file that there is and that can be read.

        Files whose names end in `list` are in list format, the others are masks: some kernels have
        masks alone.
        """
        for path in files:
            reader = sysfs.list if path.endswith("list") else sysfs.mask
            found = self.read(reader, path)
            if found is not None:
                return found
        return None

    def online(self, ids: IdSet | None, online: IdSet, path: str) -> IdSet:
        """Keep the CPUs that are online; noted where a stale list names others."""
        named = ids or IdSet()
        if stale := named - online:
            self.add(path, f"names CPUs {stale}, which are not online; left out")
        return named & online

    def all(self) -> tuple[Finding, ...]:
        """Give all of them."""
        return tuple(self._findings)
