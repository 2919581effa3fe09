"""Watches of one API server, which count what there is."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPResponse

from lab.api_server import ApiServer

from .calls import JSON, connection
from .objects import PODS, Kind, Object

NAMES_ALONE = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_MOST_S = 3600
_OK = 200
_NOT_YET, _BEHIND, _EXPIRED = 429, 504, 410
"""What an API server tells while its cache is not ready for a kind, or not as new as its store, or
was filled since: all of a kind whose definition is new."""

Take = Callable[[str, Object], None]
"""Is given the type and the object of every event, those of what is there first."""


class Watch:
    """Watches a path in a thread of its own; goes on where the API server ends it."""

    def __init__(self, api: ApiServer, path: str, accept: str, take: Take) -> None:
        self._api = api
        self._path = path
        self._accept = accept
        self._take = take
        self._version = ""
        self._closed = threading.Event()
        self._connection: HTTPConnection | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what ended it."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self._closed.set()
        if self._connection is not None and self._connection.sock is not None:
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def _run(self) -> None:
        try:
            while not self._closed.is_set():
                self._once()
        except Exception as error:  # told by the one who waits
            if not self._closed.is_set():
                self._error = error

    def _once(self) -> None:
        self._connection = connection(self._api, _MOST_S)
        try:
            if not self._version:
                self._list()
                return
            query = f"watch=true&timeoutSeconds={_MOST_S}&resourceVersion={self._version}"
            response = self._get(query, self._accept)
            for line in response or ():
                if not self._event(line):
                    return
        finally:
            self._connection.close()

    def _list(self) -> None:
        """Take what is there: what a watch tells of that first has no order to go on from."""
        kind = self._accept.replace("PartialObjectMetadata", "PartialObjectMetadataList")
        response = self._get("", kind)
        if response is None:
            return
        found = json.loads(response.read())
        for one in found["items"] or ():
            self._take("ADDED", one)
        self._version = found["metadata"]["resourceVersion"]

    def _get(self, query: str, accept: str) -> HTTPResponse | None:
        """Give an answer; None, after a while, where it is to be asked for again."""
        assert self._connection is not None
        self._connection.request("GET", f"{self._path}?{query}", headers={"Accept": accept})
        response = self._connection.getresponse()
        if response.status == _NOT_YET:
            response.read()
            self._closed.wait(1)
            return None
        if response.status != _OK:
            said = response.read()[:500]
            raise RuntimeError(f"{self._path}?{query}: {response.status} {said!r}")
        return response

    def _event(self, line: bytes) -> bool:
        """Take an event; False where the watch is to begin again."""
        event = json.loads(line)
        if event["type"] == "ERROR":
            if event["object"]["code"] in (_BEHIND, _EXPIRED):
                self._version = ""
                self._closed.wait(1)
                return False
            raise RuntimeError(f"watch {self._path}: {line[:500]!r}")
        self._version = event["object"]["metadata"]["resourceVersion"]
        self._take(event["type"], event["object"])
        return True


class Seen:
    """What watches have told: pods that are there, and objects of which `holds` is true."""

    def __init__(self, holds: Callable[[Object], bool]) -> None:
        self._holds = holds
        self._watches: list[Watch] = []
        self._pods: set[str] = set()
        self._settled: set[str] = set()

    def of(self, *watches: Watch) -> None:
        self._watches.extend(watches)

    def counts(self) -> tuple[int, int]:
        """Give how many pods and settled objects there are; raises what ended a watch."""
        for one in self._watches:
            one.check()
        return len(self._pods), len(self._settled)

    def pod(self, event: str, pod: Object) -> None:
        (self._pods.discard if event == "DELETED" else self._pods.add)(pod["metadata"]["uid"])

    def object(self, event: str, found: Object) -> None:
        settles = event != "DELETED" and self._holds(found)
        (self._settled.add if settles else self._settled.discard)(found["metadata"]["uid"])


@contextmanager
def seeing(
    api: ApiServer, kind: Kind, holds: Callable[[Object], bool] | None = None
) -> Iterator[Seen]:
    """Watch the pods and the objects of a kind; without `holds`, for a status that says so."""
    seen = Seen(holds or kind.says_so)
    with ExitStack() as closing:
        for path, accept, take in (
            (PODS, NAMES_ALONE, seen.pod),
            (kind.path, JSON, seen.object),
        ):
            one = Watch(api, path, accept, take)
            closing.callback(one.close)
            seen.of(one)
        yield seen
