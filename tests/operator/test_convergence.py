"""Rounds against an API server that fails at random: in the end pods and status are as wanted."""

import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from numalocal_operator.api.cluster import TROUBLE

from . import kstatus
from .builders import NOW_S, raw_worker
from .fake_api import PODS, WORKERS, FakeApi
from .informed import START, Informed

READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
FAILED = {"phase": "Failed", "reason": "Evicted", "message": "disk"}
CODES = (403, 404, 409, 410, 422, 429, 500, 503, 504)


class Failing(dict[tuple[str, str], tuple[int, str]]):
    """Refusals of a server that fails a third of all calls but those that find the worker gone."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def get(self, key: tuple[str, str], default: Any = None) -> Any:
        """Say what a call is refused with, if it is."""
        if self._chance.random() > 0.3:
            return default
        code = self._chance.choice(CODES)
        return (code, f"the server answers {code}")


def live(api: FakeApi, chance: random.Random, at: datetime) -> None:
    """Let a pod start, fail, be deleted, lose its label, or be gone."""
    for name in api.names(PODS):
        path, what = f"{PODS}/{name}", chance.random()
        pod = api.objects[path]
        pod["metadata"].setdefault("creationTimestamp", at.isoformat())
        if "deletionTimestamp" in pod["metadata"]:
            if what < 0.7:
                del api.objects[path]
        elif what < 0.5:
            pod["status"] = READY
        elif what < 0.6:
            pod["status"] = FAILED
        elif what < 0.65:
            pod["metadata"]["deletionTimestamp"] = at.isoformat()
        elif what < 0.67:
            pod["metadata"]["labels"].pop("numalocal.io/worker", None)


@pytest.mark.parametrize("seed", [*range(7), 78])
def test_whatever_the_api_server_answers_pods_and_status_become_what_the_spec_wants(
    api: FakeApi, turn: Informed, seed: int
) -> None:
    chance = random.Random(seed)
    at = datetime.fromtimestamp(NOW_S, UTC)

    def pass_by(seconds: float) -> None:
        nonlocal at
        at += timedelta(seconds=seconds)
        turn.clock_s += seconds
        with suppress(*TROUBLE):
            turn((at - START).total_seconds())

    raw = raw_worker(replicas=3)
    path = api.put(WORKERS, raw)
    api.refusals = Failing(chance)
    for number in range(60):
        pass_by(chance.choice((1, 20, 400)))
        live(api, chance, at)
        worker = api.objects[path]
        if chance.random() < 0.15:
            worker["spec"]["replicas"] = chance.choice((0, 1, 3, 4, "many"))
            worker["spec"]["ranks"] = chance.choice((1, 2, 0))
            worker["metadata"]["generation"] = number + 2

    api.refusals = {}
    api.objects[path]["spec"] |= {"replicas": 2, "ranks": 2}
    api.objects[path]["metadata"]["generation"] = 100
    for _ in range(25):
        pass_by(400)
        for name in api.names(PODS):
            pod = api.objects[f"{PODS}/{name}"]
            pod["metadata"].setdefault("creationTimestamp", at.isoformat())
            pod["status"] = READY
            if "deletionTimestamp" in pod["metadata"]:
                del api.objects[f"{PODS}/{name}"]

    end = api.objects[path]
    assert kstatus.computed(end) == kstatus.CURRENT, end["status"]["conditions"]
    assert end["status"]["columns"]["ready"] == "2/2"
    mine = [one for name, one in api.objects.items() if name.startswith(PODS)]
    labelled = [one for one in mine if "numalocal.io/worker" in one["metadata"]["labels"]]
    assert len(labelled) == 2, "those without the label are nobody's"
    assert all(one["metadata"]["ownerReferences"] for one in labelled)
