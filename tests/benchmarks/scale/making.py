"""Create objects of one kind while its controller runs, and see what that takes."""

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.api_server import ApiServer, controlling
from nodeless import installed, named
from operating import running_operator

from . import audit
from .audit import Audit, Requests
from .calls import Request, call_all, watch
from .cost import Process
from .figures import Made, Rest
from .objects import NAMESPACE, PODS, REPLICAS, WORKERS, Kind, Object

UNLIMITED = ("--kube-api-qps=10000", "--kube-api-burst=10000")
STUCK_S, QUIET_S, TOLD_S, LOOK_S = 300.0, 6.0, 10.0, 0.05
FIRST = 1_000_000
"""The number of the object that shows that the controller works."""
_NAMES_ALONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class Seen:
    """What watches have told: pods that are there, and objects of which `holds` is true."""

    def __init__(self, api: ApiServer, kind: Kind, holds: Callable[[Object], bool]) -> None:
        self._holds = holds
        self.pods: set[str] = set()
        self.settled: set[str] = set()
        self._error: Exception | None = None
        self._watch(api, PODS, _NAMES_ALONE, self._pod)
        self._watch(api, kind.path, "application/json", self._object)

    def counts(self) -> tuple[int, int]:
        """Give how many pods and settled objects there are; raises what ended a watch."""
        if self._error is not None:
            raise self._error
        return len(self.pods), len(self.settled)

    def _pod(self, event: str, pod: Object) -> None:
        (self.pods.discard if event == "DELETED" else self.pods.add)(pod["metadata"]["uid"])

    def _object(self, event: str, found: Object) -> None:
        settles = event != "DELETED" and self._holds(found)
        (self.settled.add if settles else self.settled.discard)(found["metadata"]["uid"])

    def _watch(
        self, api: ApiServer, path: str, accept: str, take: Callable[[str, Object], None]
    ) -> None:
        def run() -> None:
            try:
                for event, found in watch(api, path, accept):
                    take(event, found)
            except Exception as error:  # told by the one who waits
                self._error = error

        threading.Thread(target=run, daemon=True).start()


@contextmanager
def served(folder: Path) -> Iterator[tuple[ApiServer, Audit]]:
    """Serve with the chart, and with the namespace of what is created."""
    with installed(folder, audit.flags(folder / "audit")) as api:
        account = {"apiVersion": "v1", "kind": "ServiceAccount"}
        api.apply({"apiVersion": "v1", "kind": "Namespace", **named(NAMESPACE)})
        api.apply({**account, **named("default", namespace=NAMESPACE)})
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
    ):
        seen = Seen(api, kind, kind.says_so)
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


def until_settled(seen: Seen, count: int, what: str) -> None:
    """Wait until all pods are there and every status says so, and tell how far it is."""
    last, moved_s, told_s = (0, 0), time.monotonic(), time.monotonic()
    while (now := seen.counts()) != (count * REPLICAS, count):
        now_s = time.monotonic()
        if now != last:
            last, moved_s = now, now_s
        if now_s > moved_s + STUCK_S:
            raise RuntimeError(f"{what}: stuck at {now[0]} pods and {now[1]} statuses of {count}")
        if now_s > told_s + TOLD_S:
            tell(f"{what}: {now[0]} of {count * REPLICAS} pods, {now[1]} of {count} statuses")
            told_s = now_s
        time.sleep(LOOK_S)


def quiet(log: Audit) -> Requests:
    """Wait until the controller has asked for something and asks for nothing more; give all."""
    total: dict[str, int] = {}
    while True:
        time.sleep(QUIET_S)
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
