"""What only the node itself can tell: its online CPUs, and what the kubelet has given out."""

import logging
import threading
from collections.abc import Callable

from numalocal.errors import MachineUnreadable, PoolUnmet
from numalocal.machine.discovery import online_cpus
from numalocal.machine.sysfs import Sysfs
from numalocal_deviceplugin.errors import KubeletSilent
from numalocal_deviceplugin.settling import Listing
from numalocal_deviceplugin.state import State

log = logging.getLogger(__name__)


class NodeWatch:
    """Look at the online CPUs and at the kubelet's list at every turn."""

    def __init__(
        self,
        sysfs: Sysfs,
        state: State,
        listing: Callable[[], Listing],
    ) -> None:
        self._sysfs = sysfs
        self._state = state
        self._listing = listing
        self._turn = threading.Event()

    def look(self) -> None:
        """Take in what can be read now; what cannot is left as it was."""
        try:
            machine = self._state.snapshot().node.machine
            self._state.set_machine(machine.with_online(online_cpus(self._sysfs)))
        except (MachineUnreadable, PoolUnmet) as error:
            log.warning("online CPUs not read", extra={"err": str(error)})
        try:
            before = self._state.snapshot().node.ledger
            self._state.set_listing(self._listing(), before)
            self._state.counters.listed()
        except KubeletSilent as error:
            log.warning("kubelet's devices not known", extra={"err": str(error)})

    def run(self, stop: threading.Event, interval_s: float) -> None:
        """Look at every interval, and when woken, until told to stop."""
        while not stop.is_set():
            self._turn.wait(interval_s)
            self._turn.clear()
            self.look()

    def wake(self) -> None:
        """Take the next turn now."""
        self._turn.set()
