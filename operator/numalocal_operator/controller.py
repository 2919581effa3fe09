"""When to reconcile what: events, back-offs and a regular look at everything, one at a time."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from numalocal.worker.spec import Worker
from numalocal_operator.api.cluster import TROUBLE, Cluster
from numalocal_operator.config import Config
from numalocal_operator.observing.topologies import Pods, Topologies
from numalocal_operator.reconcile import reconcile
from numalocal_operator.worklist import Key, Worklist

RESYNC_S: Final = 300.0
"""How often all workers are looked at without an event: a lost one costs no more than this."""

_log = logging.getLogger(__name__)


class Controller:
    """Feeds the worklist from events and works it off, one worker at a time."""

    def __init__(
        self,
        cluster: Cluster,
        config: Config,
        topologies: Topologies,
        resync_s: float = RESYNC_S,
    ) -> None:
        self._cluster = cluster
        self._config = config
        self._topologies = topologies
        self._resync_s = resync_s
        self._worklist = Worklist()
        self._last_good: dict[Key, Worker] = {}
        self._worker_of: dict[str, Key] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work, in the event loop that runs."""
        self._task = asyncio.create_task(self.run())

    def stop(self) -> None:
        """Stop after the call that is under way."""
        if self._task is not None:
            self._task.cancel()

    def observed(self, key: Key) -> None:
        """Note that a worker, or something of it, has changed."""
        self._worklist.add(key, self._now())
        self._changed.set()

    def pod_observed(self, uid: str, key: Key, *, gone: bool) -> None:
        """Note that a pod of a worker has changed, or is gone."""
        if gone:
            self._worker_of.pop(uid, None)
        else:
            self._worker_of[uid] = key
        self.observed(key)

    def told(self, pods: Pods) -> None:
        """Note that a node tells something new of pods, the workers' among them."""
        for uid in pods & self._worker_of.keys():
            self.observed(self._worker_of[uid])

    async def run(self) -> None:
        """Work for ever; cancel it to end."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._work())
            tasks.create_task(self._resync())

    async def _work(self) -> None:
        while True:
            key = self._worklist.take(self._now())
            if key is not None:
                await self._reconcile(key)
                continue
            self._changed.clear()
            due = self._worklist.next_due_s()
            wait_s = None if due is None else max(0.0, due - self._now())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait_s)

    async def _reconcile(self, key: Key) -> None:
        try:
            again_s = await asyncio.to_thread(
                reconcile, self._cluster, self._config, self._topologies, key, self._last_good
            )
        except Exception as error:  # one worker's trouble must not stop the others
            delay_s = self._worklist.failed(key, self._now())
            fields = {"namespace": key[0], "worker": key[1], "retry_s": delay_s}
            _tell("reconcile failed", error, fields)
            return
        self._worklist.succeeded(key)
        if again_s is not None:
            self._worklist.add(key, self._now(), again_s)

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(self._resync_s)
            try:
                keys = await asyncio.to_thread(self._cluster.workers, self._config.namespace)
                await self._forget_nodes()
            except Exception as error:  # the next one may do better
                _tell("resync failed", error, {"retry_s": self._resync_s})
                continue
            for key in keys:
                self.observed(key)

    async def _forget_nodes(self) -> None:
        """Forget the nodes whose end was missed: a watch that began anew does not tell of it.

        What the others tell is left as the watch knows it, which may be newer.
        """
        known = self._topologies.names()
        there = await asyncio.to_thread(self._node_names)
        for name in known - there:
            self.told(self._topologies.gone(name))

    def _node_names(self) -> frozenset[str]:
        return frozenset(one["metadata"]["name"] for one in self._cluster.topologies())

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _tell(message: str, error: Exception, fields: Mapping[str, object]) -> None:
    """Log what the cluster did to us in one line; what is our own fault with its trace."""
    if isinstance(error, TROUBLE):
        sentence = " ".join(str(error).split())[:500]
        _log.warning(message, extra={**fields, "err": sentence})
    else:
        _log.error(message, extra=dict(fields), exc_info=error)
