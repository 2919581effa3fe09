"""Nodes as rounds and reviews see them: put together anew when what they offer has changed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any

from numalocal.worker.inject import PoolNumbers
from numalocal.worker.spec import Worker
from numalocal_operator.observing.nodes import Nodes
from numalocal_operator.observing.topologies import Topologies
from numalocal_operator.planning.barring import Barred, barred
from numalocal_operator.planning.demand import demand
from numalocal_operator.planning.fit import occupied, unfit
from numalocal_operator.planning.numbers import Fleet
from numalocal_operator.planning.offered import Offered, offered
from numalocal_operator.planning.target import Target


class Sizing:
    """What is known of the nodes by which pods are sized; for any thread."""

    def __init__(self, topologies: Topologies, nodes: Nodes) -> None:
        self._topologies = topologies
        self._nodes = nodes
        self._lock = Lock()
        self._version = (-1, -1)
        self._fleet: Fleet | None = None

    def fleet(self) -> Fleet | None:
        """Give all nodes as they are now; None before they have been listed."""
        with self._lock:
            # The versions first: what changes meanwhile is put together the next time.
            version = self._topologies.version, self._nodes.version
            if version != self._version:
                told = self._topologies.now()
                self._fleet = None if told is None else Fleet(told, self._nodes.now())
                self._version = version
            return self._fleet

    def offers(self) -> Callable[[Mapping[str, Any]], Offered] | None:
        """Give what tells what a pod is offered; None before nodes have been listed."""
        fleet = self.fleet()
        return None if fleet is None else partial(offered, fleet)

    def numbers(self, worker: Worker) -> PoolNumbers:
        """Give the numbers by which a worker's pods are made."""
        fleet = self.fleet()
        if fleet is None:
            return PoolNumbers()
        wanted = demand(worker)
        pools = fleet.pools(wanted.asked, fleet.unable(wanted).names)
        return pools.get(worker.pool, PoolNumbers())

    def barred(self, worker: Worker, seen: Iterable[str] = ()) -> Barred:
        """Give the nodes that a worker's pods are kept off; its own have `seen` some unable."""
        fleet = self.fleet()
        return Barred() if fleet is None else barred(fleet, demand(worker), seen)

    def foreseen(self, worker: Worker, wanted: Target) -> Target:
        """Say of a worker with a pod that has no node what nodes are to it."""
        fleet, told = self.fleet(), self._topologies.now()
        if fleet is None or told is None:
            return wanted
        needs = demand(worker)
        never = unfit(fleet, needs)
        now = "" if never else occupied(fleet, needs, told)
        return replace(wanted, unfit=never, occupied=now, exposed=barred(fleet, needs).exposed)
