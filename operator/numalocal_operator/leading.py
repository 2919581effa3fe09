"""Be the one replica that writes, or know that another is: a Lease, in a thread of its own.

The thread renews whatever the event loop does, so that a long round loses nothing; but a loop that
is dead must not keep the Lease, so that the loop gives a beat, and without it all ends.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from numalocal_operator.api.answers import TROUBLE, sentence
from numalocal_operator.api.lease import Lease
from numalocal_operator.planning.leadership import (
    GIVEN_UP_S,
    RENEW_S,
    Seen,
    released,
    taken,
    wait_s,
)

SILENT_S: Final = 20.0
"""How long the event loop may give no beat."""
RETRY_S: Final = 0.5
_LAST_S: Final = 9.0
"""When the kernel ends a holder that could not give up: others wait for 10 s at least."""

_log = logging.getLogger(__name__)


def clock_s() -> float:
    """Tell the time since boot, the time for which the machine was suspended included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Leader:
    """Holds a Lease, or waits for it.  All but `run` may be called from any thread."""

    def __init__(
        self,
        lease: Lease,
        me: str,
        alarm: Callable[[float], None],
        now_s: Callable[[], float] = clock_s,
        end: Callable[[], None] = lambda: os._exit(1),
    ) -> None:
        self._lease = lease
        self._me = me
        self._alarm = alarm
        self._now_s = now_s
        self._end = end
        self._until_s = float("-inf")
        self._armed = False
        self._lock = threading.Lock()
        self._seen: Seen | None = None
        self._is_known = False
        # A write that seemed to fail may have been done.
        self._sent: deque[dict[str, object]] = deque(maxlen=8)
        self._led = False
        self._trouble = ""
        self._beats = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self.run, name="lease", daemon=True)

    def leads(self) -> bool:
        """Tell whether this process may write now."""
        return self._now_s() < self._until_s

    @property
    def holder(self) -> str:
        """Give who holds the Lease, as far as is known; empty for nobody."""
        return self._seen.holder if self._seen else ""

    def beat(self) -> None:
        """Tell that the event loop lives."""
        self._beats += 1
        self._note()

    def start(self) -> None:
        """Begin to look, and to renew."""
        self._thread.start()

    @property
    def lives(self) -> bool:
        """Tell whether the thread works, or has not been started yet."""
        return self._thread.ident is None or self._thread.is_alive()

    def stop(self, emptied: Callable[[float], bool], timeout_s: float) -> None:
        """Write no more, wait for the answers to what was written, and leave the Lease."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        with self._lock:
            held, self._until_s = self.leads(), float("-inf")
        self._note()
        if held and self._seen is not None and emptied(timeout_s):
            with suppress(*TROUBLE):
                self._lease.write(self._seen.raw, released(self._seen, _stamp()))
                _log.info("lease released")

    def run(self) -> None:
        """Work until stopped; end the process where its event loop gives no beat.

        The silence is counted in our own turns: a process that was stopped is not dead.
        """
        beats, silent_s = -1, 0.0
        while not self._stopped.is_set():
            pause_s = self.turn()
            self.pause(pause_s)
            silent_s = 0.0 if beats != self._beats else silent_s + pause_s
            beats = self._beats
            if silent_s > SILENT_S:
                _log.error("the event loop does not answer", extra={"silent_s": silent_s})
                self._stopped.set()
                self._end()

    def pause(self, seconds: float) -> None:
        """Wait for the next turn, or for the end."""
        self._stopped.wait(seconds)

    def turn(self) -> float:
        """Look once; take or renew where that is right; give the seconds until the next turn."""
        try:
            pause_s = self._turn()
        except TROUBLE as error:
            self._is_known = False
            self._missed(sentence(error))
            pause_s = RETRY_S
        except Exception as error:  # whatever the API server has answered, the next may be better
            self._is_known = False
            self._missed(f"{type(error).__name__}: {error}")
            pause_s = RETRY_S
        else:
            self._trouble = ""
        self._note()
        return pause_s

    def _missed(self, why: str) -> None:
        """Say once why the Lease is not reached: a right that lacks would be silent otherwise."""
        if why != self._trouble:
            _log.warning("lease not reached", extra={"err": why[:500]})
        self._trouble = why

    def _turn(self) -> float:
        if not self._is_known:
            raw = self._lease.read()
            now_s = self._now_s()
            self._seen = self._seen.again(raw, now_s) if self._seen else Seen.first(raw, now_s)
        assert self._seen is not None
        ours = self._is_ours(self._seen)
        left_s = wait_s(self._seen, self._now_s(), ours=ours)
        missing = self._seen.raw is None and not ours
        if missing or left_s > 0:
            self._is_known = False
            self._sent.clear()
            self._give_up()
        if left_s > 0:
            return min(left_s, RENEW_S)
        if missing:
            # A leader may have made it, and a hand deleted it, since: it is taken once its versions
            # have told for long enough that it is nobody's.
            self._lease.write(None, {})
            return RETRY_S
        began_s = self._now_s()
        spec = taken(self._seen, self._me, _stamp())
        self._sent.append(spec)
        written = self._lease.write(self._seen.raw, spec)
        self._is_known = written is not None
        if written is None:
            return 0.0
        self._seen = Seen(written, self._now_s())
        self._hold(began_s)
        return RENEW_S

    def _is_ours(self, seen: Seen) -> bool:
        """Tell whether nobody else can have led since: by the name alone, that is not sure."""
        if self.leads():
            return seen.raw is None or seen.holder == self._me
        return seen.spec in self._sent

    def _hold(self, began_s: float) -> None:
        """Lead for as long as a call that began then allows."""
        with self._lock:
            if self._stopped.is_set():
                return
            self._until_s = began_s + GIVEN_UP_S
            if self.leads():
                self._armed = True
                self._alarm(began_s + _LAST_S - self._now_s())

    def _give_up(self) -> None:
        with self._lock:
            self._until_s = float("-inf")

    def _note(self) -> None:
        """Say when we begin and cease to lead, and take the alarm back once we do not."""
        with self._lock:
            leads = self.leads()
            if self._armed and not leads:
                self._armed = False
                self._alarm(0.0)
            if leads == self._led:
                return
            self._led = leads
        if leads:
            _log.info("leading", extra={"me": self._me})
        else:
            _log.warning("leading no more", extra={"holder": self.holder})


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
