"""When the node's object is written: once at the start, then after changes, and never in a crowd.

A cluster may have 5,000 nodes whose agents start together and see the same rollout: every write
waits for a random while, two are apart by a pause, and what failed waits longer each time.

Who has removed or changed an object is not watched for: 5,000 watches and the right to read would
be the price.  Every write tells all, so the next change mends it, or the agent's next start, or a
refresh that is so rare that all agents together ask for less than one request a second at rest.
"""

import logging
import random
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from numalocal_deviceplugin import backoff
from numalocal_deviceplugin.counters import Count
from numalocal_deviceplugin.errors import PublishFailed
from numalocal_deviceplugin.node.document import About, Document, document, stamped
from numalocal_deviceplugin.node.publisher import Publisher
from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.snapshot import Snapshot
from numalocal_deviceplugin.state import State

log = logging.getLogger(__name__)

SOURCE = "publishing"
"""Whose refusals these are."""

_CHANCE: Final = random.Random()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds; `first_s` and `settle_s` are the longest random waits before a write.

    `pause_s` is between two writes.  `look_s` is how often what changes without an event is looked
    at.  `refresh_s` is how often an object that somebody has removed or changed is mended at least:
    5,000 agents that all wrote at once are spread over half of it.  A try fails at every agent
    while the API server is away; `retry_ceiling_s` apart, they do not crowd it when it is back.
    """

    first_s: float = 3.0
    settle_s: float = 0.5
    pause_s: float = 2.0
    look_s: float = 10.0
    refresh_s: float = 10_800.0
    retry_first_s: float = 1.0
    retry_ceiling_s: float = 120.0


class Publishing:
    """Keeps the object of the node as the state is."""

    def __init__(self, publisher: Publisher, state: State, about: About, timing: Timing) -> None:
        self._publisher = publisher
        self._state = state
        self._about = about
        self._timing = timing
        self._written: Document | None = None
        self._written_of: Snapshot | None = None
        self._due_s = 0.0

    def run(self, stop: threading.Event) -> None:
        """Write until told to stop; the state must be woken then."""
        timing = self._timing
        _wait(stop, timing.first_s)
        retries = backoff.delays(timing.retry_first_s, timing.retry_ceiling_s)
        while True:
            now = self._state.snapshot()
            # Asked after the version was taken: who stops us wakes the state then.
            if stop.is_set():
                return
            if not self._wants(now):
                self._state.wait(now.version, timing.look_s)
                _wait(stop, timing.settle_s)  # what comes together is looked at together
                continue
            if self._write():
                retries = backoff.delays(timing.retry_first_s, timing.retry_ceiling_s)
                stop.wait(timing.pause_s)
            else:
                _wait(stop, next(retries))

    def _wants(self, now: Snapshot) -> bool:
        """Tell whether there is something to write; a second agent has nothing to say."""
        if any(one.reason is Reason.SECOND_AGENT for one in now.of_node):
            return False
        if self._written is None or time.monotonic() >= self._due_s:
            return True
        if now is self._written_of:
            return False
        if stamped(document(now, self._about), self._written, "") != self._written:
            return True
        self._written_of = now
        return False

    def _write(self) -> bool:
        now = self._state.snapshot()
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        new = stamped(document(now, self._about), self._written, stamp)
        try:
            self._publisher.publish(new)
        except PublishFailed as error:
            self._state.counters.add(Count.PUBLISHING_FAILURES)
            log.warning("NodeCpuTopology not written", extra={"err": str(error)})
            self._refuse([Refusal(reason=Reason.NOT_PUBLISHED, message=str(error))])
            return False
        if self._written is None:
            log.info("NodeCpuTopology written", extra={"node": self._publisher.node})
        self._written, self._written_of = new, now
        self._due_s = time.monotonic() + some_of(self._timing.refresh_s)
        self._refuse()
        return True

    def _refuse(self, refusals: Iterable[Refusal] = ()) -> None:
        self._state.refuse(SOURCE, refusals)


def some_of(longest_s: float, chance: random.Random = _CHANCE) -> float:
    """Take half of a time or more, at random, so that not all nodes do the same at once."""
    return chance.uniform(0.5, 1.0) * longest_s


def _wait(stop: threading.Event, longest_s: float) -> None:
    stop.wait(some_of(longest_s))
