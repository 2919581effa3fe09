"""What the kubelet has given out: its list of pods with their devices, asked in turns."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from numalocal_deviceplugin.errors import KubeletSilent
from numalocal_deviceplugin.node.turns import Turns
from numalocal_deviceplugin.settling import Listing
from numalocal_deviceplugin.state import State

log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0
"""Until a kubelet that is silent is asked again."""
_TURNS_OF_REST: Final = 9
"""Where nothing changes it is asked at every ninth turn: gRPC's threads are awake for seconds."""


class ListingWatch:
    """Look at the kubelet's list at the turns after a change, and now and then without one."""

    def __init__(self, state: State, listing: Callable[[], Listing]) -> None:
        self._state = state
        self._listing = listing
        self._listed = True
        self._turns = Turns(_TURNS_OF_REST)

    def look(self) -> None:
        """Take in what the kubelet lists; where it is silent, what it listed counts."""
        before = self._state.snapshot()
        self._turns.rest(None)
        try:
            taken = self._state.set_listing(self._listing(), before.node.ledger)
            self._state.counters.listed()
            self._listed = True
        except KubeletSilent as error:
            if self._listed:  # it is asked for ever, and told once
                log.warning("kubelet's devices not known", extra={"err": str(error)})
            self._listed = False
            return
        now = self._state.snapshot().facts
        if taken and now is before.facts and not now.contested:
            self._turns.rest(now)

    def run(self, stop: threading.Event, interval_s: float) -> None:
        """Look in turns, which come sooner where the kubelet is silent, until told to stop."""
        while not stop.wait(interval_s if self._listed else min(interval_s, _RETRY_S)):
            if self._turns.is_due(self._state.snapshot().facts):
                self.look()
