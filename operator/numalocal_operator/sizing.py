"""Nodes as rounds and reviews see them: put together anew when what they offer has changed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import Any

from numalocal.worker.inject import PoolNumbers
from numalocal.worker.spec import Worker
from numalocal_operator.observing.nodes import Nodes
from numalocal_operator.observing.told import Told
from numalocal_operator.observing.topologies import Topologies
from numalocal_operator.planning.barring import Barred, barred
from numalocal_operator.planning.demand import Demand, admitted, demand
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

    def of(self, worker: Worker) -> "Sized":
        """Give what nodes are to a worker now."""
        fleet, needs = self.fleet(), demand(worker)
        if fleet is None:
            return Sized(None, needs, PoolNumbers(), dict)
        pools = fleet.pools(needs.asked, fleet.unable(needs).names)
        numbers = pools.get(worker.pool, PoolNumbers())
        return Sized(fleet, needs, numbers, lambda: self._topologies.now() or {})


@dataclass(frozen=True, slots=True)
class Sized:
    """What nodes are to one worker: looked up once, and the same for a whole round.

    `numbers` are those by which its pods are made.  `told` gives what is free now.
    """

    fleet: Fleet | None
    needs: Demand
    numbers: PoolNumbers
    told: Callable[[], Mapping[str, Told]]

    def barred(self, seen: Iterable[str] = ()) -> Barred:
        """Give the nodes that its pods are kept off; its own have `seen` some unable."""
        return Barred() if self.fleet is None else barred(self.fleet, self.needs, seen)

    def foreseen(self, wanted: Target, pod: Mapping[str, Any] | None = None) -> Target:
        """Say of a worker with a pod that has no node what nodes are to it.

        What such a pod says of nodes, where one is known, counts in place of the template's word.
        """
        wanted = replace(wanted, cpus_per_set=self.numbers.cpus_per_set)
        if self.fleet is None:
            return wanted
        needs = self.needs if pod is None else admitted(self.needs, pod)
        never = unfit(self.fleet, needs)
        now = "" if never else occupied(self.fleet, needs, self.told())
        exposed = barred(self.fleet, self.needs).exposed
        return replace(wanted, unfit=never, occupied=now, exposed=exposed)
