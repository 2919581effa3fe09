"""What workers cost the API server, by its own count, and what the operator does after changes."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from lab.api_server import ApiServer

from .audit import DISCOVERY, Audit, at_rest, but_leases
from .calls import Request, call_all
from .making import controlled, create, quiet, served, until_settled
from .objects import PODS, REPLICAS, WORKERS
from .watching import seeing

pytestmark = pytest.mark.e2e

COUNT = 100
MOST_EACH = 5
SETTLED_S = 3.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """An API server with a hundred workers, and what it has counted; no operator runs."""

    api: ApiServer
    folder: Path
    log: Audit
    cost: int


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("scale")
    with served(folder) as (api, log):
        with controlled(api, WORKERS, folder), seeing(api, WORKERS) as seen:
            create(api, WORKERS, COUNT, COUNT + 1)
            until_settled(seen, 1, "the first worker")
            quiet(log, SETTLED_S)
            create(api, WORKERS, 0, COUNT)
            until_settled(seen, COUNT + 1, "workers")
            cost = but_leases(quiet(log, SETTLED_S))
        yield Cluster(api, folder, log, cost)


def test_a_worker_costs_five_requests(cluster: Cluster) -> None:
    assert cluster.cost <= MOST_EACH * COUNT


def test_an_operator_that_starts_anew_reads_what_there_is_and_then_rests(cluster: Cluster) -> None:
    cluster.log.since()
    with controlled(cluster.api, WORKERS, cluster.folder):
        started = at_rest(quiet(cluster.log, SETTLED_S))
        time.sleep(10)
        rested = at_rest(cluster.log.since())

    assert started.keys() <= {DISCOVERY}, "nothing but lists"
    assert rested == {}


def test_pods_are_made_anew_where_somebody_deletes_them_but_for_workers_that_are_gone(
    cluster: Cluster,
) -> None:
    some = Random(13).sample(range(COUNT), 40)
    gone, robbed = some[:20], some[20:]
    left = COUNT + 1 - len(gone)
    with controlled(cluster.api, WORKERS, cluster.folder), seeing(cluster.api, WORKERS) as seen:
        quiet(cluster.log, SETTLED_S)
        call_all(cluster.api, [deletion(f"{WORKERS.path}/llama-{one}") for one in gone])

        call_all(cluster.api, [deletion(f"{PODS}/llama-{one}-0") for one in some])

        until_settled(seen, left, "workers", pods=(left + len(gone)) * REPLICAS - len(gone))
        made = quiet(cluster.log, SETTLED_S)
    assert made["create pods"] == len(robbed)
    assert but_leases(made) <= MOST_EACH * len(robbed)


def deletion(path: str) -> Request:
    return Request("DELETE", path, {"gracePeriodSeconds": 0})
