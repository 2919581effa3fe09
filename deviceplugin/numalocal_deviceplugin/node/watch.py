"""What the kubelet has given out: its list of pods with their devices, asked in turns."""

import logging
import threading
from collections.abc import Callable

from numalocal_deviceplugin.errors import KubeletSilent
from numalocal_deviceplugin.settling import Listing
from numalocal_deviceplugin.state import State

log = logging.getLogger(__name__)

_RETRY_S = 1.0
"""Until a kubelet that is silent is asked again."""


class ListingWatch:
    """Look at the kubelet's list at every turn."""

    def __init__(self, state: State, listing: Callable[[], Listing]) -> None:
        self._state = state
        self._listing = listing
        self._listed = True

    def look(self) -> None:
        """Take in what the kubelet lists; where it is silent, what it listed counts."""
        before = self._state.snapshot().node.ledger
        try:
            self._state.set_listing(self._listing(), before)
            self._state.counters.listed()
            self._listed = True
        except KubeletSilent as error:
            if self._listed:  # it is asked for ever, and told once
                log.warning("kubelet's devices not known", extra={"err": str(error)})
            self._listed = False

    def run(self, stop: threading.Event, interval_s: float) -> None:
        """Look at every interval, sooner where the kubelet is silent, until told to stop."""
        while not stop.wait(interval_s if self._listed else min(interval_s, _RETRY_S)):
            self.look()
