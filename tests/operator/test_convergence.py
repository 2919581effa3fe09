"""Rounds against an API server that fails at random: in the end pods and status are as wanted.

`NUMALOCAL_SEEDS=170 pytest tests/operator/test_convergence.py` plays 10,000 rounds.
"""

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from numalocal_operator.api.answers import TROUBLE
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.handlers import Ears
from numalocal_operator.observing.nodes import Nodes
from numalocal_operator.observing.reading import observe
from numalocal_operator.observing.store import Store
from numalocal_operator.observing.topologies import Topologies
from numalocal_operator.reconcile import Rounds, reconcile
from numalocal_operator.sizing import Sizing
from numalocal_operator.sweeping import Sweep

from . import kstatus
from .builders import CONFIG, raw_worker
from .fake_api import PODS, REVISIONS, WORKERS, FakeApi
from .informed import LLAMA, START
from .test_handlers import Listener

SEEDS = int(os.environ.get("NUMALOCAL_SEEDS", "6"))
TURNS = 60
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
FAILED = {"phase": "Failed", "reason": "Evicted", "message": "disk"}
CODES = (403, 404, 409, 410, 422, 429, 500, 503, 504)
WORKER = f"{WORKERS}/llama"
LABEL, SEEN = "numalocal.io/worker", "numalocal.io/bound"
LOST = ((LABEL,), (LABEL, SEEN), (SEEN,))
"""The last is met when the name is tried, or by the next sweep: of a successor that is too late."""
MOST_REQUESTS = 60
"""Of one round, whatever happens: names that are taken are tried a few times."""


class Failing(dict[tuple[str, str], tuple[int, str]]):
    """Refusals of a server that fails a quarter of all calls."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def get(self, key: tuple[str, str], default: Any = None) -> Any:
        """Say what a call is refused with, if it is."""
        if self._chance.random() > 0.25:
            return default
        code = self._chance.choice(CODES)
        if code == 404 and key[0] != "POST":  # the server does not lie about what is there
            code = 500
        return (code, f"the server answers {code}")


class Operator:
    """An operator whose watches are late, begin anew with ghosts, or end with the process."""

    def __init__(self, api: FakeApi, cluster: Cluster, chance: random.Random) -> None:
        self.api, self.cluster, self.chance = api, cluster, chance
        self.at = START
        self.start()

    def start(self) -> None:
        """Begin with nothing known but what is listed; a list that fails is asked for again."""
        self.store = Store(self.now_s)
        topologies, nodes = Topologies(), Nodes()
        sizing = Sizing(topologies, nodes)
        self.rounds = Rounds(self.cluster, CONFIG, topologies, sizing, self.store)
        self.sweep = Sweep(self.cluster, "", self.store, topologies, nodes)
        self.ears = Ears(self.store, topologies, nodes, Listener())
        filled = False
        while not filled:
            with suppress(*TROUBLE):
                self.sweep.fill()
                filled = True
        self.heard = len(self.api.history)

    def now_s(self) -> float:
        return (self.at - START).total_seconds()

    def turn(self, seconds: float) -> None:
        """Let time pass, hear of something, and do a round."""
        self.at += timedelta(seconds=seconds)
        what = self.chance.random()
        if what < 0.03:
            self.start()
        elif what < 0.1:
            self.relist()
        elif what < 0.2:
            self.look()
        else:
            self.hear(self.chance.randint(0, 12))
        before = len(self.api.requests)
        with suppress(*TROUBLE):
            reconcile(self.rounds, LLAMA, now=self.at)
        assert len(self.api.requests) - before <= MOST_REQUESTS

    def hear(self, most: int) -> None:
        """Hear the next events, those of different objects in any order."""
        events = self.api.history[self.heard : self.heard + most]
        self.heard += len(events)
        of: dict[str, list[tuple[str, Any]]] = {}
        for kind, raw in events:
            of.setdefault(raw["metadata"]["uid"], []).append((kind, raw))
        while of:
            uid = self.chance.choice(list(of))
            self._hear(*of[uid].pop(0))
            if not of[uid]:
                del of[uid]

    def relist(self) -> None:
        """Begin to watch anew after 410: what is there is told, and not what has gone."""
        self.heard = len(self.api.history)
        for path, raw in list(self.api.objects.items()):
            if path.startswith((PODS, WORKERS)):
                self._hear(None, json.loads(json.dumps(raw)))

    def look(self) -> None:
        with suppress(*TROUBLE):
            self.sweep.sweep()

    def _hear(self, kind: str | None, raw: Any) -> None:
        if "labels" not in raw["metadata"] and raw.get("kind") == "CpuInferenceWorker":
            self.ears.worker(kind, raw)
        elif raw.get("kind") == "Pod":
            seen = raw["metadata"].get("labels", {}).get(SEEN) == "true"
            self.ears.pod(kind if seen else "DELETED", raw)


def live(api: FakeApi, chance: random.Random, at: datetime) -> None:
    """Let a pod start, fail, be deleted, lose a label, or be gone."""
    for name in api.names(PODS):
        path, what = f"{PODS}/{name}", chance.random()
        pod = api.objects[path]
        pod["metadata"].setdefault("creationTimestamp", at.isoformat())
        if "deletionTimestamp" in pod["metadata"]:
            if what < 0.7:
                api.remove(path)
            continue
        if what < 0.6:
            pod["status"] = READY if what < 0.5 else FAILED
        elif what < 0.65:
            pod["metadata"]["deletionTimestamp"] = at.isoformat()
        elif what < 0.69:
            for label in chance.choice(LOST if name.count("-") == 1 else LOST[:2]):
                pod["metadata"]["labels"].pop(label, None)
        api.changed(path)


def edit(api: FakeApi, chance: random.Random, number: int) -> None:
    """Let a user change the worker, for good or not."""
    worker = api.objects[WORKER]
    worker["spec"]["replicas"] = chance.choice((0, 1, 3, 4, "many"))
    worker["spec"]["ranks"] = chance.choice((1, 2, 0))
    worker["metadata"]["generation"] = number + 2
    api.changed(WORKER)


def owned(api: FakeApi) -> Iterator[Any]:
    for name in api.names(PODS):
        pod = api.objects[f"{PODS}/{name}"]
        if pod["metadata"].get("ownerReferences"):
            yield pod


def hold(api: FakeApi) -> None:
    """Hold that no replica has two pods that live."""
    found = [observe(pod, lambda *_: None) for pod in owned(api)]
    # What has lost its label is nobody's replica any more.
    living = [one for one in found if not (one.terminal or one.deleting or one.released)]
    lives = Counter(one.replica for one in living)
    assert all(count == 1 for count in lives.values()), lives


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_the_api_server_answers_pods_and_status_become_what_the_spec_wants(
    api: FakeApi, cluster: Cluster, seed: int
) -> None:
    chance = random.Random(seed)
    api.versioned = True
    api.put(WORKERS, raw_worker(replicas=3))
    operator = Operator(api, cluster, chance)
    api.refusals = Failing(chance)
    api.loses = lambda: chance.random() < 0.05
    for number in range(TURNS):
        operator.turn(chance.choice((1, 20, 400)))
        hold(api)
        live(api, chance, operator.at)
        if chance.random() < 0.15:
            edit(api, chance, number)

    api.refusals, api.loses = {}, lambda: False
    api.objects[WORKER]["spec"] |= {"replicas": 2, "ranks": 2}
    api.objects[WORKER]["metadata"]["generation"] = 100
    api.changed(WORKER)
    operator.look()
    for _ in range(25):
        operator.at += timedelta(seconds=400)
        operator.hear(1000)
        reconcile(operator.rounds, LLAMA, now=operator.at)
        hold(api)
        for name in api.names(PODS):
            path = f"{PODS}/{name}"
            pod = api.objects[path]
            pod["metadata"].setdefault("creationTimestamp", operator.at.isoformat())
            pod["status"] = READY
            api.changed(path)
            if "deletionTimestamp" in pod["metadata"]:
                api.remove(path)

    end = api.objects[WORKER]
    assert kstatus.computed(end) == kstatus.CURRENT, end["status"]["conditions"]
    assert end["status"]["columns"]["ready"] == "2/2"
    served = [pod for pod in owned(api) if LABEL in pod["metadata"]["labels"]]
    assert len(served) == 2, "those without the label are nobody's"
    assert end["status"]["currentRevision"] in api.names(REVISIONS)
    operator.hear(1000)
    api.requests.clear()
    reconcile(operator.rounds, LLAMA, now=operator.at)
    operator.sweep.sweep()
    assert api.writes() == []
    assert len(api.requests) == 7, "nothing but the sweep's lists at rest"
