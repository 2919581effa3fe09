"""When to reconcile what: events, back-offs and a regular sweep, eight workers at a time."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

from numalocal_operator.api.answers import TROUBLE, sentence
from numalocal_operator.api.gate import NotLeading
from numalocal_operator.observing.topologies import Pods
from numalocal_operator.reconcile import Rounds, reconcile
from numalocal_operator.sweeping import Sweep
from numalocal_operator.worklist import Key, Worklist

SWEEP_S: Final = 300.0
"""How often the store is compared with what there is: a lost event costs no more than this."""
FAILED_S: Final = 15.0
"""When to sweep again after one that failed."""
NODES_S: Final = 1.0
"""How long to wait for more changes of nodes before the workers that wait for one are looked at."""
RELISTED_S: Final = 2.0
"""When to compare after a watch began anew: its list may be long."""
NOT_LEADING_S: Final = 1.0
"""When to try a round again that was held back: it may have been for a moment only."""
ROUNDS: Final = 8
"""Rounds at a time: each waits for the API server most of its time."""

_log = logging.getLogger(__name__)


class Controller:
    """Feeds the worklist from events and works it off, one round a worker at a time.

    It works in the event loop in which it was started; all else may be called by any thread, also
    while it does not work.
    """

    def __init__(self, rounds: Rounds, sweep: Sweep, sweep_s: float = SWEEP_S) -> None:
        self._rounds = rounds
        self._sweep = sweep
        self._sweep_s = sweep_s
        self._worklist = Worklist()
        self._busy: set[Key] = set()
        self._again: set[Key] = set()
        self._changed = asyncio.Event()
        self._relisted = asyncio.Event()
        self._nodes = asyncio.Event()
        self._threads = ThreadPoolExecutor(ROUNDS, thread_name_prefix="round")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to work, in the event loop that runs: sweep, and look at every worker."""
        self._loop = asyncio.get_running_loop()
        works = self._work(), self._sweeping(), self._following()
        self._tasks = {asyncio.create_task(one) for one in works}

    def stop(self) -> None:
        """Begin nothing any more; rounds that have begun come to their end."""
        for task in self._tasks:
            task.cancel()

    def observed(self, key: Key) -> None:
        """Note that a worker, or something of it, has changed."""
        self._soon(self._add, (key,))

    def told(self, pods: Pods) -> None:
        """Note that a node tells something new of pods, the workers' among them."""
        if keys := self._rounds.store.of_pods(pods):
            self._soon(self._add, keys)

    def nodes_changed(self) -> None:
        """Note that nodes are not what they were to pods that wait for one."""
        self._soon(self._nodes.set)

    def heard(self, event: str | None) -> None:
        """Note an event by its type: one without comes of a list, as when a watch began anew."""
        if event is None:
            self._soon(self._relisted.set)

    def _soon(self, act: Callable[..., object], *arguments: Any) -> None:
        """Act in the event loop; before there is one, what is to be looked at is all anyway."""
        if self._loop is not None:
            with suppress(RuntimeError):  # it ends just now
                self._loop.call_soon_threadsafe(act, *arguments)

    def _add(self, keys: Iterable[Key], delay_s: float = 0.0) -> None:
        for key in keys:
            self._worklist.add(key, self._now(), delay_s)
        self._changed.set()

    async def _work(self) -> None:
        while True:
            full = len(self._busy) >= ROUNDS
            key = None if full else self._worklist.take(self._now())
            if key is not None:
                self._begin(key)
                continue
            self._changed.clear()
            due = None if full else self._worklist.next_due_s()
            wait_s = None if due is None else max(0.0, due - self._now())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait_s)

    def _begin(self, key: Key) -> None:
        """Begin a round of a worker, or note that the one that is under way needs another."""
        if key in self._busy:
            self._again.add(key)
            return
        self._busy.add(key)
        task = asyncio.create_task(self._reconcile(key))
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)

    async def _reconcile(self, key: Key) -> None:
        loop = asyncio.get_running_loop()
        try:
            again_s = await loop.run_in_executor(self._threads, reconcile, self._rounds, key)
        except NotLeading:  # another one will look at it, or we again
            self._worklist.add(key, self._now(), NOT_LEADING_S)
        except Exception as error:  # one worker's trouble must not stop the others
            delay_s = self._worklist.failed(key, self._now())
            fields = {"namespace": key[0], "worker": key[1], "retry_s": delay_s}
            _tell("reconcile failed", error, fields)
        else:
            self._worklist.succeeded(key)
            if again_s is not None:
                self._worklist.add(key, self._now(), again_s)
        finally:
            self._busy.discard(key)
            if key in self._again:
                self._again.discard(key)
                self._worklist.add(key, self._now())
            self._changed.set()

    async def _sweeping(self) -> None:
        while True:
            self._relisted.clear()  # before it asks: what begins anew meanwhile needs another
            next_s = await self._sweep_now()
            self._add(self._rounds.store.keys())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._relisted.wait(), next_s)
                await asyncio.sleep(RELISTED_S)

    async def _following(self) -> None:
        """Look at the workers that wait for a node, once for all changes of a moment."""
        while True:
            await self._nodes.wait()
            await asyncio.sleep(NODES_S)
            self._nodes.clear()
            self._add(self._rounds.store.waiting())

    def _look(self) -> None:
        for key in self._sweep.sweep():
            self.observed(key)

    async def _sweep_now(self) -> float:
        """Sweep; give in how many seconds to sweep again."""
        again_s = min(self._sweep_s, FAILED_S)
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._look)
        except NotLeading:
            return again_s
        except Exception as error:  # the next one may do better
            _tell("sweep failed", error, {"retry_s": again_s})
            return again_s
        return self._sweep_s

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _tell(message: str, error: Exception, fields: Mapping[str, object]) -> None:
    """Log what the cluster did to us in one line; what is our own fault with its trace."""
    if isinstance(error, TROUBLE):
        _log.warning(message, extra={**fields, "err": sentence(error)})
    else:
        _log.error(message, extra=dict(fields), exc_info=error)
