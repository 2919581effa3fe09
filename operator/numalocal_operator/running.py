"""One replica from start to end: what it runs, and in which order it stops."""

import asyncio
import logging
import os
import signal
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import kopf

from numalocal_operator.alarm import Alarm
from numalocal_operator.annotated import injected as annotated
from numalocal_operator.annotated.injected import Injected
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.api.connection import Connection, connect
from numalocal_operator.api.gate import Gate
from numalocal_operator.api.lease import Lease
from numalocal_operator.config import Config
from numalocal_operator.controller import Controller
from numalocal_operator.handlers import Ears, register
from numalocal_operator.leading import Leader
from numalocal_operator.observing.nodes import Nodes
from numalocal_operator.observing.store import Store
from numalocal_operator.observing.topologies import Topologies
from numalocal_operator.probes import Probes
from numalocal_operator.reconcile import Rounds
from numalocal_operator.sizing import Sizing
from numalocal_operator.sweeping import Sweep
from numalocal_operator.watching import Watch, kopf_operator
from numalocal_operator.webhook.keeper import Keeper
from numalocal_operator.webhook.server import Server

BEAT_S: Final = 0.5
UNTOLD_S: Final = 10.0
"""How often what could not be told of annotated pods is tried again."""
LAST_CALLS_S: Final = 5.0
"""How long calls under way may take when the process ends."""
DRAIN_S: Final = 5.0
"""How long the webhook answers on after SIGTERM: by then no endpoint points at it any more."""
ALL_ENDED_S: Final = 25.0
"""When the process ends whatever hangs; the chart's grace period is a little longer."""

_log = logging.getLogger(__name__)


class Replica:
    """Serves the webhook and watches, always; works on workers while it leads."""

    def __init__(self, config: Config) -> None:
        alone = Connection(connect(connections=1))
        lease = Lease(config.lease.namespace, config.lease.name, alone)
        self._leader = Leader(lease, f"{socket.gethostname()}_{uuid.uuid4()}", Alarm().set)
        self._gate = Gate(self._leader.leads)
        cluster = Cluster(connect(self._gate))
        topologies, nodes = Topologies(), Nodes()
        sizing = Sizing(topologies, nodes)
        # One thread: what is told of a pod comes in order.
        self._telling = ThreadPoolExecutor(1, "telling")
        self._injected = Injected(cluster, topologies, self._leader.leads, self._telling)
        store = Store(time.monotonic)
        sweep = Sweep(cluster, config.namespace, store, topologies, nodes)
        rounds = Rounds(cluster, config, topologies, sizing, store)
        self._controller = Controller(rounds, sweep)
        ears = Ears(store, topologies, nodes, self._controller, [self._injected.told])
        at = config.listening
        self._server: Server | None = None
        self._keeper: Keeper | None = None
        if config.webhook is not None:
            self._server = Server(
                sizing.offers, config.check, at.webhook_port, at.address, self.standing
            )
            self._keeper = Keeper(
                config.webhook,
                self._server.serve_with,
                Connection(connect(self._gate, connections=1)),
                self._leader.leads,
            )

        def registry() -> kopf.OperatorRegistry:
            made = kopf.OperatorRegistry()
            register(made, sweep, ears, self._filled.set)
            if config.webhook is not None:
                annotated.register(made, self._injected)
            return made

        self._filled = threading.Event()
        self._watch = Watch(kopf_operator(registry, config.namespace))
        self._probes = Probes(self.faults, self.standing, at.address, at.health_port)

    def standing(self) -> str:
        """Say whether this replica leads, and whom it follows otherwise."""
        return "leads" if self._leader.leads() else f"follows {self._leader.holder or 'nobody yet'}"

    def faults(self) -> str:
        """Say which of its threads is dead; empty where none is."""
        dead = {"lease": not self._leader.lives, "watch": not self._watch.lives}
        return ", ".join(f"the thread {name} is dead" for name, is_dead in dead.items() if is_dead)

    async def run(self) -> int:
        """Run until told to stop; give the exit status."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await self._probes.start()
        if self._server is not None:
            await self._server.start()
        self._watch.start()
        waits = {"stop": stop.wait(), "work": self._work()}
        if self._keeper is not None:
            waits["keeper"] = self._keeper.run()
        tasks = [asyncio.create_task(one, name=name) for name, one in waits.items()]
        done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        failed = [one for one in done if one.get_name() != "stop"]
        for one in failed:
            _log.error("ended by itself", extra={"part": one.get_name()}, exc_info=one.exception())
        for one in rest:
            one.cancel()
        await self._end()
        return 1 if failed else 0

    async def _work(self) -> None:
        """Follow the Lease: work while it is ours.

        Who has not seen yet what there is does not stand for it: it would find pods missing, and
        where it may never see, it would keep those that do from working.
        """
        while not self._filled.is_set():
            await asyncio.sleep(BEAT_S)
        self._leader.start()
        leads, told_s = False, 0.0
        while True:
            self._leader.beat()
            if self._leader.leads() != leads:
                leads = not leads
                (self._controller.start if leads else self._controller.stop)()
                told_s = 0.0
            now_s = asyncio.get_running_loop().time()
            if leads and now_s >= told_s:
                told_s = now_s + UNTOLD_S
                self._injected.tell_untold()
            await asyncio.sleep(BEAT_S)

    async def _end(self) -> None:
        """Take no more work, finish calls, leave the Lease, and answer a little longer."""
        _log.info("ending")
        last = threading.Timer(ALL_ENDED_S, os._exit, (0,))
        last.daemon = True
        last.start()
        drained = asyncio.create_task(asyncio.sleep(DRAIN_S))
        if self._server is not None:
            self._server.end()
        self._controller.stop()
        self._telling.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._leader.stop, self._gate.emptied, LAST_CALLS_S)
        await asyncio.to_thread(self._watch.stop, LAST_CALLS_S)
        if self._server is not None:
            await drained
            await self._server.stop()
        drained.cancel()
        with suppress(asyncio.CancelledError):
            await drained
        await self._probes.stop()
