"""What only the node itself can tell: its online CPUs, and through the kubelet who pins."""

import logging
import threading
from collections.abc import Callable

from numalocal.errors import MachineUnreadable, PoolUnmet
from numalocal.idset import IdSet
from numalocal.machine.discovery import online_cpus
from numalocal.machine.sysfs import Sysfs
from numalocal_deviceplugin.errors import KubeletSilent
from numalocal_deviceplugin.settling import Listing
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State

log = logging.getLogger(__name__)


class NodeWatch:
    """Look at the online CPUs and at the kubelet's list at every turn, at its policy when new."""

    def __init__(
        self,
        sysfs: Sysfs,
        state: State,
        exclusive_cpus: Callable[[], IdSet],
        listing: Callable[[], Listing],
    ) -> None:
        self._sysfs = sysfs
        self._state = state
        self._exclusive_cpus = exclusive_cpus
        self._listing = listing
        self._policy_known = False
        self._turn = threading.Event()

    def kubelet_is_new(self) -> None:
        """Ask for the CPU manager's policy again: it changes only with the kubelet's restart."""
        self._policy_known = False
        self.wake()

    def look(self) -> None:
        """Take in what can be read now; what cannot is left as it was."""
        try:
            machine = self._state.snapshot().node.machine
            self._state.set_machine(machine.with_online(online_cpus(self._sysfs)))
        except (MachineUnreadable, PoolUnmet) as error:
            log.warning("online CPUs not read", extra={"err": str(error)})
        if not self._policy_known:
            self._look_at_policy()
        try:
            before = self._state.snapshot().node.ledger
            self._state.set_listing(self._listing(), before)
            self._state.counters.listed()
        except KubeletSilent as error:
            log.warning("kubelet's devices not known", extra={"err": str(error)})

    def run(self, stop: threading.Event, interval_s: float) -> None:
        """Look at every interval, and at once when the kubelet is new, until told to stop."""
        while not stop.is_set():
            self._turn.wait(interval_s)
            self._turn.clear()
            self.look()

    def wake(self) -> None:
        """Take the next turn now."""
        self._turn.set()

    def _look_at_policy(self) -> None:
        self._policy_known = True  # before asking: a kubelet that is new meanwhile is asked again
        try:
            exclusive = self._exclusive_cpus()
        except KubeletSilent as error:
            self._policy_known = False
            log.warning("kubelet's CPU manager policy not known", extra={"err": str(error)})
            return
        self._state.set_policy(Policy.STATIC if exclusive else Policy.NONE)
