"""Binding containers otherwise, unasked: a second plugin that comes, answers once, and goes.

NRI has a call for it, UpdateContainers.  In every containerd before the mending of July 2026
(containerd/nri#301, containerd/containerd#13733) that call and the creation of a container can wait
for each other for ever.  Synchronize cannot: the runtime asks it of every plugin that registers,
under the lock under which all else is done, and makes no container until it is answered.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from numalocal import names
from numalocal_deviceplugin.correcting import Correction
from numalocal_deviceplugin.runtime import messages
from numalocal_deviceplugin.runtime.plugin import SERVICE
from numalocal_deviceplugin.runtime.ttrpc import Handler
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

NAME: Final = f"{names.PLUGIN}-repair"

Choose = Callable[[], Sequence[Correction]]
"""Say what to correct, while no container is being made."""


class Errand:
    """Answer the calls of one short connection; `done` is set once the corrections are chosen."""

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self.done = threading.Event()

    def methods(self) -> Mapping[str, Handler]:
        """Name the handlers as they are called on the wire."""
        return {
            f"{SERVICE}/Configure": self.configure,
            f"{SERVICE}/Synchronize": self.synchronize,
            f"{SERVICE}/RemovePodSandbox": self.nothing,
            f"{SERVICE}/StateChange": self.nothing,
            f"{SERVICE}/Shutdown": self.nothing,
        }

    def configure(self, _payload: bytes, _budget_s: float) -> bytes:
        """Subscribe to the one event that changes nothing: none at all would stand for every."""
        events = 1 << (nri.REMOVE_POD_SANDBOX - 1)
        return nri.ConfigureResponse(events=events).SerializeToString()

    def synchronize(self, payload: bytes, _budget_s: float) -> bytes:
        """Answer the last part of the runtime's list with what is to be corrected."""
        if nri.SynchronizeRequest.FromString(payload).more:
            return nri.SynchronizeResponse(more=True).SerializeToString()
        corrections = self._choose()
        self.done.set()
        return messages.synchronization(corrections).SerializeToString()

    def nothing(self, _payload: bytes, _budget_s: float) -> bytes:
        """Acknowledge what the other plugin hears as well."""
        return nri.Empty().SerializeToString()
