"""kopf in a thread and an event loop of its own, started again whenever it ends.

It ends on what a cluster brings: an ERROR in a watch that is no 410, a 503 that outlives its
retries, a login that fails, a kind that is deleted.  And when it ends it cancels every task of its
loop that is younger than itself: nothing of ours may live there.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import kopf

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 30.0
STEADY_S: Final = 60.0
"""What has watched for so long begins anew with the shortest wait."""
_PULSE_S: Final = 1.0
_DEAD_S: Final = 60.0

Operate = Callable[[asyncio.Event], Awaitable[None]]
"""Watches until the event is set; returns or raises when it can no more."""

_log = logging.getLogger(__name__)


class Watch:
    """Watches until it is stopped, whatever happens."""

    def __init__(self, operate: Operate, first_retry_s: float = FIRST_RETRY_S) -> None:
        self._operate = operate
        self._first_retry_s = first_retry_s
        self._pulse_s = time.monotonic()
        self._ended = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    @property
    def lives(self) -> bool:
        """Tell whether the thread works, or waits for its next try."""
        return self._thread.is_alive() and time.monotonic() - self._pulse_s < _DEAD_S

    def stop(self, timeout_s: float) -> None:
        """Watch no more; wait for the end, but not for ever."""
        with self._lock:
            self._ended.set()
            if self._loop is not None and self._stop is not None:
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        retry_s = self._first_retry_s
        while not self._ended.is_set():
            began_s = time.monotonic()
            why = self._watched()
            if self._ended.is_set():
                return
            if time.monotonic() - began_s > STEADY_S:
                retry_s = self._first_retry_s
            _log.warning("watches ended", extra={"err": why, "retry_s": retry_s})
            self._ended.wait(retry_s)
            self._pulse_s = time.monotonic()
            retry_s = min(2 * retry_s, LONGEST_RETRY_S)

    def _watched(self) -> str:
        """Watch once; say how it ended."""
        try:
            asyncio.run(self._once())
        except (Exception, asyncio.CancelledError) as error:
            return f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
        finally:
            with self._lock:
                self._loop = self._stop = None
        return "without a word"

    async def _once(self) -> None:
        stop = asyncio.Event()
        with self._lock:
            self._loop, self._stop = asyncio.get_running_loop(), stop
            if self._ended.is_set():
                return
        # Older than all that kopf starts: it leaves this task alone when it ends.
        pulse = asyncio.create_task(self._pulse())
        await asyncio.sleep(0)
        try:
            await self._operate(stop)
        finally:
            pulse.cancel()

    async def _pulse(self) -> None:
        while True:
            self._pulse_s = time.monotonic()
            await asyncio.sleep(_PULSE_S)


def kopf_operator(registry: Callable[[], kopf.OperatorRegistry], namespace: str) -> Operate:
    """Give what watches with kopf: one namespace, or all where it is empty.

    The registry is a new one each time: what may be watched can be another then.
    """

    async def operate(stop: asyncio.Event) -> None:
        settings = kopf.OperatorSettings()
        # It would kill the process 10 min after kopf has ended, and we go on.
        settings.process.ultimate_exiting_timeout = None
        stopped = asyncio.create_task(stop.wait())
        # Without kopf's own flag: it waits 5 s for who looks at that when it ends of itself.
        watching = asyncio.create_task(
            kopf.operator(
                registry=registry(),
                settings=settings,
                # Without peers nobody reads it; kopf would ask for a user's name, which an image
                # lacks.
                identity="numalocal-operator",  # type: ignore[arg-type] # kopf's own name for str
                clusterwide=not namespace,
                namespaces=[namespace] if namespace else [],
            )
        )
        await asyncio.wait({stopped, watching}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if watching.done():
            watching.result()
            return
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    return operate
