"""One agent a node: who holds the lock gives and adjusts, all others wait for it.

Two releases, or two nodeGroups that overlap, would each take the other's socket away and set the
same containers' CPUs.  The lock is on the kubelet's directory itself, which all agents of a node
mount: no file that somebody could remove, or that the kubelet would take for a checkpoint of its
own (pkg/kubelet/util/store/filestore.go, List).  The kernel frees it however its holder ends.
"""

import fcntl
import os
import threading
from pathlib import Path
from typing import Final, Self

from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.state import State

_SOURCE: Final = "seat"
_KEPT_S: Final = 30.0
"""Between two signs of life of a part that has nothing to do any more."""


class Seat:
    """The right to be this node's agent, which ends with the `with` statement."""

    def __init__(self, directory: Path, state: State) -> None:
        self._directory = directory
        self._state = state
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def take(self) -> bool:
        """Take the seat if it is free; give whether it is ours."""
        if self._descriptor is None:
            try:
                self._descriptor = _locked(self._directory)
            except BlockingIOError:
                self._refuse(
                    "another agent of numalocal serves this node, and this one waits until it "
                    "ends; where two releases, or two of the chart's nodeGroups, choose the same "
                    "node, let one of them leave it out"
                )
                return False
            except OSError as error:
                self._refuse(
                    f"whether another agent of numalocal serves this node is not known: "
                    f"{self._directory}: {error.strerror}; it must be the kubelet's directory of "
                    "device plugins"
                )
                return False
            self._state.refuse(_SOURCE)
        return True

    def run(self, stop: threading.Event, poll_s: float) -> None:
        """Try for the seat until told to stop; once taken it is kept."""
        while not stop.is_set():
            stop.wait(_KEPT_S if self.take() else poll_s)

    def _refuse(self, message: str) -> None:
        self._state.refuse(_SOURCE, [Refusal(reason=Reason.SECOND_AGENT, message=message)])


def _locked(directory: Path) -> int:
    """Lock a directory and give its descriptor; BlockingIOError where another one has it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
