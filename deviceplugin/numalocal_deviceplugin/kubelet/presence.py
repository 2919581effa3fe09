"""Which kubelet there is now, and whether it pins CPUs itself: each answers for itself alone.

A kubelet that starts serves PodResources before its CPU manager runs, and tells then as if it did
not pin.  It listens at kubelet.sock only afterwards (pkg/kubelet/cm/container_manager_linux.go,
Start).  So its answer counts if it listened there before it was asked, and is the same one after.
"""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from numalocal_deviceplugin import backoff
from numalocal_deviceplugin.errors import KubeletSilent
from numalocal_deviceplugin.kubelet.podresources import PodResources
from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State

log = logging.getLogger(__name__)

KUBELET_SOCKET: Final = "kubelet.sock"
SOURCE: Final = "kubelet"
_CONNECT_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds.

    Pods that wait for a kubelet that starts again fail if it has to wait for us, so `poll_s` is for
    `expected_s` after the one before has hung up; else it is looked for every `rest_s`.
    """

    poll_s: float = 0.2
    expected_s: float = 30.0
    rest_s: float = 3.0
    answer_s: float = 1.0
    retry_first_s: float = 0.1
    retry_ceiling_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketIdentity:
    """What tells two sockets of one path apart: inode numbers alone are reused at once."""

    inode: int
    created_ns: int


class Kubelet:
    """The kubelet that is there now; `resources` answers for it."""

    def __init__(
        self, directory: Path, state: State, resources: PodResources, timing: Timing
    ) -> None:
        self.socket = directory / KUBELET_SOCKET
        self._state = state
        self._resources = resources
        self._timing = timing
        self._changed = threading.Condition()
        self._last: SocketIdentity | None = None
        self._answered = False
        self._woken = threading.Event()
        self._expected_until_s = 0.0

    def hung_up(self) -> None:
        """Take that the kubelet reads a list of devices no more: it may have ended."""
        self._expected_until_s = time.monotonic() + self._timing.expected_s
        self._woken.set()

    def wake(self) -> None:
        """Let who waits here see at once that it is told to stop; it has to be told before."""
        self._woken.set()
        with self._changed:
            self._changed.notify_all()

    def look(self) -> SocketIdentity | None:
        """Identify the kubelet's socket; with another one the CPU policy is unknown at once."""
        with self._changed:
            now = identity(self.socket)
            if now is not None and now != self._last:
                log.info("kubelet is new", extra={"socket": str(self.socket)})
                self._last, self._answered = now, False
                self._resources.kubelet_is_new()
                self._state.set_policy(Policy.UNKNOWN)
                self._changed.notify_all()
            return now

    def wait_for_another(
        self, than: SocketIdentity, stop: threading.Event, timeout_s: float
    ) -> None:
        """Wait until somebody has seen another kubelet than this or says stop, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._last != than or stop.is_set(), timeout_s)

    def ask(self) -> bool:
        """Ask whether it pins, unless it has told; give whether that is known now."""
        asked = self.look()
        if self._answered:
            return True
        try:
            policy = self._policy()
        except KubeletSilent as error:
            self._state.refuse(SOURCE, [Refusal(reason=Reason.POLICY_UNKNOWN, message=str(error))])
            return False
        with self._changed:
            if asked != identity(self.socket):
                return False
            log.info("kubelet told its CPU manager policy", extra={"policy": policy.value})
            self._answered = True
            self._state.set_policy(policy)
            self._state.refuse(SOURCE)
        return True

    def run(self, stop: threading.Event) -> None:
        """Look for another kubelet and ask it, until told to stop."""
        waits = self._waits()
        while not stop.is_set():
            if self.ask():
                waits = self._waits()
                self._woken.wait(self._pause_s())
                self._woken.clear()
            else:
                stop.wait(next(waits))

    def _policy(self) -> Policy:
        if not listens(self.socket):
            raise KubeletSilent(
                f"the kubelet does not listen at {self.socket}, so whether it pins CPUs itself is "
                "not known, no CPU set is given out and no container is adjusted; it is asked as "
                "soon as it is there"
            )
        pins = self._resources.pins_cpus(self._timing.answer_s)
        return Policy.STATIC if pins else Policy.NONE

    def _pause_s(self) -> float:
        is_expected = time.monotonic() < self._expected_until_s
        return self._timing.poll_s if is_expected else self._timing.rest_s

    def _waits(self) -> Iterator[float]:
        return backoff.delays(self._timing.retry_first_s, self._timing.retry_ceiling_s)


def identity(path: Path) -> SocketIdentity | None:
    """Identify the socket at a path now; None where there is none, or none that can be seen."""
    try:
        status = path.stat()
    except OSError:
        return None
    return SocketIdentity(inode=status.st_ino, created_ns=status.st_ctime_ns)


def listens(path: Path) -> bool:
    """Tell whether somebody listens at a socket: a process that was killed leaves its own.

    Where no descriptor is left to find that out, it is not known to be so.
    """
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_CONNECT_S)
            probe.connect(str(path))
    except OSError:
        return False
    return True
