"""What workers cost the API server, by its own count, and what the operator does after changes."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest

from lab.api_server import ApiServer

from .audit import Audit, at_rest, but_leases
from .calls import Request, call_all
from .making import controlled, create, quiet, served, until_settled
from .objects import PODS, REPLICAS, WORKERS
from .watching import Seen, seeing

pytestmark = pytest.mark.e2e

COUNT = 100
MOST_EACH = 5


@dataclass(frozen=True, slots=True)
class Cluster:
    """An API server with a hundred workers, what it has counted, and what watches see."""

    api: ApiServer
    log: Audit
    seen: Seen
    cost: int


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("scale")
    with (
        served(folder) as (api, log),
        controlled(api, WORKERS, folder),
        seeing(api, WORKERS) as seen,
    ):
        create(api, WORKERS, COUNT, COUNT + 1)
        until_settled(seen, 1, "the first worker")
        quiet(log)
        create(api, WORKERS, 0, COUNT)
        until_settled(seen, COUNT + 1, "workers")
        yield Cluster(api, log, seen, but_leases(quiet(log)))


def test_a_worker_costs_five_requests_and_rest_none(cluster: Cluster) -> None:
    assert cluster.cost <= MOST_EACH * COUNT

    cluster.log.since()
    time.sleep(10)

    assert at_rest(cluster.log.since()) == {}


def test_pods_are_made_anew_where_somebody_deletes_them_but_for_workers_that_are_gone(
    cluster: Cluster,
) -> None:
    some = Random(13).sample(range(COUNT), 40)
    gone, robbed = some[:20], some[20:]
    call_all(cluster.api, [deletion(f"{WORKERS.path}/llama-{one}") for one in gone])

    call_all(cluster.api, [deletion(f"{PODS}/llama-{one}-0") for one in some])

    left = COUNT + 1 - len(gone)
    until_settled(cluster.seen, left, "workers", pods=(left + len(gone)) * REPLICAS - len(gone))
    made = quiet(cluster.log)
    assert made["create pods"] == len(robbed)
    assert but_leases(made) <= MOST_EACH * len(robbed)


def deletion(path: str) -> Request:
    return Request("DELETE", path, {"gracePeriodSeconds": 0})
