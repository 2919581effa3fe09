"""A cluster that is full: the operator's memory with all of it, and what it costs to start anew."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lab.api_server import ApiServer
from nodeless import named

from .calls import Request, call, call_all, connection
from .figures import Full
from .making import NODES, controlled, create, quiet, resting, served, tell, until_settled
from .nodes import (
    FOREIGN,
    SETS,
    Pod,
    agents_tell,
    foreign_pods,
    kubelets_start,
    node_name,
    nodes_start,
)
from .objects import NAMESPACE, PODS, REPLICAS, WORKERS, Object
from .watching import seeing

_PAGE = 500


def full(nodes: int, workers: int, foreign: int, rest_s: float) -> Full:
    """Fill a cluster with nodes, workers whose pods run, and pods of others."""
    with (
        tempfile.TemporaryDirectory(prefix="numalocal-scale-") as name,
        served(Path(name)) as (api, log),
    ):
        others_run(api, nodes, foreign)
        with controlled(api, WORKERS, Path(name)) as process:
            create(api, WORKERS, 0, workers)
            with seeing(api, WORKERS) as seen:
                until_settled(seen, workers, WORKERS.name)
            quiet(log)
            tell(f"{workers * REPLICAS} pods start")
            started_s = time.monotonic()
            all_run(api, nodes)
            with seeing(api, WORKERS, is_ready) as seen:
                until_settled(seen, workers, "ready workers")
            ready_s = time.monotonic() - started_s
            quiet(log)
            cpu_s, peak_bytes = process.cpu_s(), process.peak_bytes()
            rest = resting(process, log, rest_s)
        log.since()
        tell("the operator starts anew")
        with controlled(api, WORKERS, Path(name)) as process:
            anew_requests = quiet(log)
            anew_cpu_s = process.cpu_s()
            anew_rest = resting(process, log, rest_s)
            anew_peak_bytes = process.peak_bytes()
        return Full(
            nodes=nodes,
            workers=workers,
            foreign=foreign,
            ready_s=ready_s,
            cpu_s=cpu_s,
            peak_bytes=peak_bytes,
            rest=rest,
            anew_peak_bytes=anew_peak_bytes,
            anew_cpu_s=anew_cpu_s,
            anew_requests=anew_requests,
            anew_rest=anew_rest,
        )


def others_run(api: ApiServer, nodes: int, foreign: int) -> None:
    """Let there be nodes, and pods that are none of ours."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    api.apply({"apiVersion": "v1", "kind": "Namespace", **named(FOREIGN)})
    api.apply({**account, **named("default", namespace=FOREIGN)})
    tell(f"{nodes} nodes and {foreign} pods of others")
    for requests in (*nodes_start(nodes, NODES), *foreign_pods(foreign, nodes)):
        call_all(api, requests)


def all_run(api: ApiServer, nodes: int) -> None:
    """Let the nodes run the workers' pods, and show them."""
    pods = [
        Pod(
            namespace=NAMESPACE,
            name=one["metadata"]["name"],
            uid=one["metadata"]["uid"],
            node=node_name(number % nodes),
            number=number // nodes % SETS,
        )
        for number, one in enumerate(listed(api, PODS))
    ]
    for requests in (*kubelets_start(pods), agents_tell(pods)):
        call_all(api, requests)


def listed(api: ApiServer, path: str) -> Iterator[Object]:
    """List all there is, by pages."""
    connected, following = connection(api), ""
    while True:
        query = f"limit={_PAGE}" + (f"&continue={following}" if following else "")
        found = call(connected, Request("GET", f"{path}?{query}"))
        yield from found["items"]
        following = found["metadata"].get("continue", "")
        if not following:
            connected.close()
            return


def is_ready(worker: Object) -> bool:
    """Tell whether all pods serve, and are bound as their nodes show."""
    status = worker.get("status") or {}
    placements = status.get("placements") or ()
    verified = sum(bool(one.get("verified")) for one in placements)
    return status.get("readyReplicas") == verified == REPLICAS
