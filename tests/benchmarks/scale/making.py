"""Create objects of one kind while its controller runs, and see what that takes."""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.api_server import ApiServer, controlling
from nodeless import installed, named
from operating import running_operator

from . import audit
from .audit import Audit, Requests
from .calls import Request, call_all
from .cost import Process
from .figures import Made, Rest
from .nodes import nodes_start
from .objects import NAMESPACE, REPLICAS, WORKERS, Kind
from .watching import Seen, seeing

UNLIMITED = ("--kube-api-qps=10000", "--kube-api-burst=10000")
STUCK_S, QUIET_S, TOLD_S, LOOK_S = 300.0, 6.0, 10.0, 0.05
NODES = 4
FIRST = 1_000_000
"""The number of the object that shows that the controller works."""


@contextmanager
def served(folder: Path) -> Iterator[tuple[ApiServer, Audit]]:
    """Serve with the chart, with nodes, and with the namespace of what is created."""
    with installed(folder, audit.flags(folder / "audit")) as api:
        account = {"apiVersion": "v1", "kind": "ServiceAccount"}
        api.apply({"apiVersion": "v1", "kind": "Namespace", **named(NAMESPACE)})
        api.apply({**account, **named("default", namespace=NAMESPACE)})
        # A worker that no node could take would be told so, at a cost.
        for requests in nodes_start(NODES):
            call_all(api, requests)
        yield api, Audit(audit.log_of(folder / "audit"))


@contextmanager
def controlled(api: ApiServer, kind: Kind, folder: Path) -> Iterator[Process]:
    """Run the controller of a kind."""
    if kind is WORKERS:
        own = folder / "operator"
        own.mkdir(exist_ok=True)
        with running_operator(api, own) as process:
            yield Process(process.pid)
    else:
        controllers = ("deployment-controller", "replicaset-controller")
        with controlling(api, controllers, UNLIMITED) as pid:
            yield Process(pid)


def made(kind: Kind, count: int, rest_s: float) -> Made:
    """Create so many objects on a new API server; then rest for seconds."""
    with (
        tempfile.TemporaryDirectory(prefix="numalocal-scale-") as name,
        served(Path(name)) as (api, log),
        controlled(api, kind, Path(name)) as process,
        seeing(api, kind) as seen,
    ):
        create(api, kind, FIRST, FIRST + 1)
        until_settled(seen, 1, kind.name)
        quiet(log)
        cpu_s, started_s = process.cpu_s(), time.monotonic()
        create(api, kind, 0, count)
        created_s = time.monotonic() - started_s
        until_settled(seen, count + 1, kind.name)
        took_s = time.monotonic() - started_s
        requests = quiet(log)
        cpu_s = process.cpu_s() - cpu_s
        rest = resting(process, log, rest_s)
        pods, settled = seen.counts()
        assert (pods, settled) == ((count + 1) * REPLICAS, count + 1), "something went on at rest"
        return Made(
            kind=kind.name,
            count=count,
            created_s=created_s,
            took_s=took_s,
            cpu_s=cpu_s,
            peak_bytes=process.peak_bytes(),
            requests=requests,
            rest=rest,
        )


def create(api: ApiServer, kind: Kind, first: int, end: int) -> None:
    """Create the objects of these numbers."""
    call_all(api, (Request("POST", kind.path, kind.document(one)) for one in range(first, end)))


def until_settled(seen: Seen, count: int, what: str, pods: int | None = None) -> None:
    """Wait until so many objects have a status that says so, and all their pods are there.

    `pods` is how many there are to be in all, where some are nobody's.
    """
    wanted = count * REPLICAS if pods is None else pods
    last, moved_s, told_s = (0, 0), time.monotonic(), time.monotonic()
    while (now := seen.counts()) != (wanted, count):
        now_s = time.monotonic()
        if now != last:
            last, moved_s = now, now_s
        if now_s > moved_s + STUCK_S:
            raise RuntimeError(f"{what}: stuck at {now[0]} pods and {now[1]} statuses of {count}")
        if now_s > told_s + TOLD_S:
            tell(f"{what}: {now[0]} of {wanted} pods, {now[1]} of {count} statuses")
            told_s = now_s
        time.sleep(LOOK_S)


def quiet(log: Audit, seconds: float = QUIET_S) -> Requests:
    """Wait until the controller, which has asked for something, asks for nothing; give all."""
    total: dict[str, int] = {}
    while True:
        time.sleep(seconds)
        more = log.since()
        for what, number in more.items():
            total[what] = total.get(what, 0) + number
        if audit.but_leases(total) and not audit.but_leases(more):
            return total


def resting(process: Process, log: Audit, seconds: float) -> Rest:
    """See what is done where there is nothing to do."""
    log.since()
    cpu_s, started_s = process.cpu_s(), time.monotonic()
    time.sleep(seconds)
    share = (process.cpu_s() - cpu_s) / (time.monotonic() - started_s)
    return Rest(
        seconds=seconds,
        requests=log.since(),
        cpu_share=share,
        resident_bytes=process.resident_bytes(),
    )


def tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
