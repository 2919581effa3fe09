import random
from typing import Any

import pytest

from numalocal.worker.spec import Worker
from numalocal_operator.accompanying import accompany
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.applying import Done
from numalocal_operator.observing.companions import BUDGET, SERVICE, Companions
from numalocal_operator.planning.companions import step

from .builders import make_worker
from .fake_api import BUDGETS, SERVICES, FakeApi

KEY = ("serving", "llama")
PORTS = [{"port": 80}]
BOTH = {"service": {"ports": PORTS}, "disruptionBudget": {}}
PLACES = {SERVICE: f"{SERVICES}/llama", BUDGET: f"{BUDGETS}/llama"}
SPECS = ({"ports": PORTS}, {"ports": PORTS, "type": "Headless"}, {"ports": [{"port": 9}]})
COLLECTIONS = {SERVICE: SERVICES, BUDGET: BUDGETS}


class Watched:
    """What the operator knows of a fake API server by its watches, and rounds of one worker."""

    def __init__(self, api: FakeApi, cluster: Cluster) -> None:
        self.api = api
        self.cluster = cluster
        self.known = Companions(lambda: 0.0)

    def hear(self) -> None:
        """Tell of all that has our label, and of what is gone."""
        for kind, path in PLACES.items():
            raw = self.api.objects.get(path, {"metadata": {"uid": ""}})
            labelled = raw["metadata"].get("labels")
            known = self.known.of(KEY).get(kind)
            if known and not (labelled and known.uid == raw["metadata"]["uid"]):
                self.known.drop(kind, KEY, known.uid, known.version)
            if labelled:
                self.known.put(kind, raw)

    def __call__(self, **spec: Any) -> Done:
        self.hear()
        return accompany(self.cluster, self.known, make_worker(**spec))


@pytest.fixture
def turn(api: FakeApi, cluster: Cluster) -> Watched:
    return Watched(api, cluster)


def settled(turn: Watched, worker: Worker) -> bool:
    turn.hear()
    there = turn.known.of(KEY)
    return all(step(worker, kind, there.get(kind)) is None for kind in PLACES)


def test_who_asks_for_neither_costs_no_request(api: FakeApi, turn: Watched) -> None:
    assert turn() == Done()
    assert api.requests == []


def test_what_is_asked_for_is_made_by_one_request_each_and_then_costs_none(
    api: FakeApi, turn: Watched
) -> None:
    assert turn(**BOTH) == Done()
    assert turn(**BOTH) == Done()

    assert api.requests == [("POST", SERVICES), ("POST", BUDGETS)]


def test_a_change_is_one_patch_and_what_is_not_asked_for_goes(api: FakeApi, turn: Watched) -> None:
    turn(**BOTH)
    api.requests.clear()

    assert turn(service={"ports": [{"port": 81}]}) == Done()

    assert api.requests == [("PATCH", PLACES[SERVICE]), ("DELETE", PLACES[BUDGET])]
    assert [one["port"] for one in api.objects[PLACES[SERVICE]]["spec"]["ports"]] == [81]
    assert PLACES[BUDGET] not in api.objects
    assert settled(turn, make_worker(service={"ports": [{"port": 81}]}))


def test_what_is_deleted_or_edited_by_hand_is_brought_back(api: FakeApi, turn: Watched) -> None:
    turn(**BOTH)
    del api.objects[PLACES[SERVICE]]
    api.objects[PLACES[BUDGET]]["spec"]["maxUnavailable"] = 9

    turn(**BOTH)

    assert PLACES[SERVICE] in api.objects
    assert api.objects[PLACES[BUDGET]]["spec"]["maxUnavailable"] == 1


def test_a_service_without_an_address_is_made_anew_in_one_round(
    api: FakeApi, turn: Watched
) -> None:
    turn(service={"ports": PORTS})
    before = api.objects[PLACES[SERVICE]]["metadata"]["uid"]

    turn(service={"ports": PORTS, "type": "Headless"})

    after = api.objects[PLACES[SERVICE]]
    assert after["spec"]["clusterIP"] == "None"
    assert after["metadata"]["uid"] != before


def test_one_that_takes_time_to_go_is_waited_for(api: FakeApi, turn: Watched) -> None:
    turn(service={"ports": PORTS})
    api.objects[PLACES[SERVICE]]["metadata"]["finalizers"] = ["load-balancer"]
    api.requests.clear()

    headless = {"ports": PORTS, "type": "Headless"}
    assert turn(service=headless) == turn(service=headless) == Done(retry_s=30)

    assert api.requests == [("DELETE", PLACES[SERVICE])]


@pytest.mark.parametrize("kind", [SERVICE, BUDGET])
def test_somebody_elses_is_told_and_the_other_is_made(
    api: FakeApi, turn: Watched, kind: str
) -> None:
    theirs = {"metadata": {"name": "llama", "namespace": "serving", "uid": "x"}, "spec": {"a": 1}}
    api.put(COLLECTIONS[kind], theirs)

    done = turn(**BOTH)

    assert done.trouble is not None
    assert done.trouble.reason == "NameTaken"
    assert done.trouble.message.startswith(f"{kind} llama: there is one that is not this worker's")
    assert done.retry_s == 30
    assert api.objects[PLACES[kind]]["spec"] == {"a": 1}
    assert PLACES.keys() == {SERVICE, BUDGET}
    assert all(path in api.objects for path in PLACES.values())


def test_that_of_a_worker_that_is_gone_is_waited_for(api: FakeApi, turn: Watched) -> None:
    owner = {"uid": "w-0", "kind": "CpuInferenceWorker", "controller": True}
    metadata = {"name": "llama", "namespace": "serving", "uid": "x", "ownerReferences": [owner]}
    api.put(SERVICES, {"metadata": metadata, "spec": {}})

    assert turn(service={"ports": PORTS}) == Done(retry_s=30)


def test_one_that_has_lost_our_label_is_read_once_and_has_it_again(
    api: FakeApi, turn: Watched
) -> None:
    turn(service={"ports": PORTS})
    found = api.objects[PLACES[SERVICE]]["metadata"]
    del found["labels"]
    api.requests.clear()

    assert turn(service={"ports": PORTS}) == turn(service={"ports": PORTS}) == Done()

    assert api.objects[PLACES[SERVICE]]["metadata"]["labels"] == {"numalocal.io/worker": "llama"}
    assert [method for method, _ in api.requests] == ["POST", "GET", "PATCH"]


@pytest.mark.parametrize("code", [400, 403, 422])
def test_what_the_api_server_refuses_is_told_and_tried_every_minute(
    api: FakeApi, turn: Watched, code: int
) -> None:
    api.refusals["POST", BUDGETS] = code, "exceeded quota: budgets"

    done = turn(**BOTH)

    assert done.trouble == (
        "PodDisruptionBudgetRefused",
        ("PodDisruptionBudget llama: exceeded quota: budgets"),
    )
    assert (done.retry_s, done.error) == (60, None)
    assert PLACES[SERVICE] in api.objects


def test_an_api_server_that_fails_is_told_and_raised_later(api: FakeApi, turn: Watched) -> None:
    api.refusals["POST", SERVICES] = 503, "etcd is away"

    done = turn(**BOTH)

    assert done.trouble == ("ApiError", "Service llama: etcd is away")
    assert done.error is not None
    assert PLACES[BUDGET] in api.objects


class Failing(dict[tuple[str, str], tuple[int, str]]):
    """Refuses a third of all calls."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def get(self, key: tuple[str, str], default: Any = None) -> Any:
        code = self._chance.choice((403, 404, 409, 410, 422, 429, 500, 503))
        return (code, "no") if self._chance.random() < 0.3 else default


def meddle(api: FakeApi, chance: random.Random) -> None:
    """Delete, edit or take the label off, now and then."""
    for path in sorted(set(PLACES.values()) & api.objects.keys()):
        raw, what = api.objects[path], chance.random()
        if what < 0.1:
            del api.objects[path]
        elif what < 0.2:
            raw["spec"] = {"maxUnavailable": 3, "selector": {"matchLabels": {"app": "x"}}}
        elif what < 0.3:
            raw["metadata"]["labels"] = {}


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_asked_edited_and_refused_it_ends_as_asked(
    api: FakeApi, turn: Watched, seed: int
) -> None:
    chance = random.Random(seed)
    api.refusals = Failing(chance)
    spec: dict[str, Any] = {}
    for _ in range(60):
        if chance.random() < 0.3:
            asked = {"service": SPECS, "disruptionBudget": ({}, {"minAvailable": "50%"})}
            spec = {name: chance.choice((None, *those)) for name, those in asked.items()}
        turn(**spec)
        meddle(api, chance)

    api.refusals = {}
    for _ in range(3):
        turn(**spec)

    wanted = {SERVICE: spec.get("service"), BUDGET: spec.get("disruptionBudget")}
    there = [kind for kind, one in wanted.items() if one is not None]
    labels = [api.objects[PLACES[kind]]["metadata"]["labels"] for kind in there]
    assert labels == len(there) * [{"numalocal.io/worker": "llama"}]
    assert settled(turn, make_worker(**spec))
