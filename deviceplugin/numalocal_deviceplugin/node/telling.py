"""Log every refusal once when it begins, and once when it has ended."""

import logging
import threading
from collections.abc import Iterable

from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.state import State

log = logging.getLogger(__name__)

_PAUSE_S = 1.0
_TURN_S = 30.0

Key = tuple[Reason, str]
"""Reason and subject: that a sentence has other numbers by now is nothing new."""


def told(before: frozenset[Key], refusals: Iterable[Refusal]) -> frozenset[Key]:
    """Log what has begun and ended since the refusals before; give those that are now."""
    now = {(one.reason, one.subject): one for one in refusals}
    for key, one in now.items():
        if key not in before:
            extra = {"reason": one.reason, "subject": one.subject, "err": one.message}
            log.error("not served", extra=extra)
    for reason, subject in sorted(before - now.keys()):
        log.info("served again", extra={"reason": reason, "subject": subject})
    return frozenset(now)


def run(state: State, stop: threading.Event) -> None:
    """Tell at every change, at most once a second, until told to stop.

    The first second is left out: what every start begins with is not worth an error.
    """
    before: frozenset[Key] = frozenset()
    while not stop.wait(_PAUSE_S):
        version = state.version
        before = told(before, state.snapshot().refusals)
        state.wait(version, _TURN_S)
