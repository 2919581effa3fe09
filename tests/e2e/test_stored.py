"""The operator's store on a real API server: watches that begin anew, and a spec that is kept.

The API server has no cache of watches, so that what etcd has compacted is gone: 410.
"""

import json
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nodeless
from lab.api_server import ApiServer
from lab.commands import wait_for
from nodeless import named
from operating import running_operator

NAMESPACE = "serving"
WHERE = f"--namespace={NAMESPACE}"
WORKER = {
    "apiVersion": "numalocal.io/v1alpha1",
    "kind": "CpuInferenceWorker",
    **named("llama", namespace=NAMESPACE),
    "spec": {
        "replicas": 2,
        "template": {"spec": {"containers": [{"name": "engine", "image": "engine"}]}},
    },
}


class Cable:
    """Leads from a port of its own to another, while it is not cut."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._ends: list[socket.socket] = []
        self._whole = True
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End what is connected, and let nothing through."""
        self._whole = False
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()

    def mend(self) -> None:
        self._whole = True

    def close(self) -> None:
        self.cut()
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                if not self._whole:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._to))
                self._ends += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=ends, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with source:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder = tmp_path_factory.mktemp("stored")
    with nodeless.installed(folder, ["--watch-cache=false"]) as found:
        account = {**named("default", namespace=NAMESPACE)}
        found.apply({"apiVersion": "v1", "kind": "Namespace", **named(NAMESPACE)})
        found.apply({"apiVersion": "v1", "kind": "ServiceAccount", **account})
        yield found


@pytest.fixture
def cable(api: ApiServer) -> Iterator[Cable]:
    made = Cable(api.port)
    yield made
    made.close()


@contextmanager
def operating(api: ApiServer, folder: Path, cable: Cable) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    with running_operator(replace(api, port=cable.port), folder):
        yield folder / "log"


@pytest.fixture(autouse=True)
def no_worker(api: ApiServer) -> Iterator[None]:
    """Leave nothing; the garbage collector does not run here."""
    yield
    api.kubectl("delete", "ciw", "--all", WHERE)
    api.kubectl("delete", "pods,controllerrevisions", "--all", WHERE, "--force")


def compact(api: ApiServer) -> None:
    """Let etcd forget all that has been."""

    def call(path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(f"{api.etcd}{path}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    revision = call("/v3/kv/range", {"key": "AA=="})["header"]["revision"]
    call("/v3/kv/compaction", {"revision": revision, "physical": True})


def uids(api: ApiServer) -> dict[str, str]:
    found = api.kubectl_json("get", "pods", WHERE)["items"]
    return {one["metadata"]["name"]: one["metadata"]["uid"] for one in found}


def soon(what: str, holds: Callable[[], object], timeout_s: float = 120) -> None:
    wait_for(what, holds, timeout_s=timeout_s, interval_s=0.2)


def status(api: ApiServer) -> dict[str, Any]:
    return dict(api.kubectl_json("get", "ciw", "llama", WHERE).get("status", {}))


def condition(api: ApiServer, kind: str) -> tuple[str, str]:
    conditions = status(api).get("conditions", ())
    return next(
        ((one["status"], one["reason"]) for one in conditions if one["type"] == kind), ("", "")
    )


def delete(api: ApiServer, pod: str) -> None:
    api.kubectl("delete", "pod", pod, WHERE, "--force", "--grace-period=0")


def test_a_pod_that_went_while_a_watch_was_away_is_no_ghost(
    api: ApiServer, cable: Cable, tmp_path: Path
) -> None:
    with operating(api, tmp_path / "operator", cable):
        api.apply(WORKER)
        soon("its pods", lambda: len(uids(api)) == 2)
        before = uids(api)
        cable.cut()
        delete(api, "llama-1")
        for number in range(5):
            api.kubectl("label", "pod", "llama-0", WHERE, f"n={number}", "--overwrite")
        compact(api)
        cable.mend()

        soon(
            "another pod", lambda: uids(api).get("llama-1", before["llama-1"]) != before["llama-1"]
        )
        assert uids(api)["llama-0"] == before["llama-0"]
        api.kubectl("label", "pod", "llama-0", WHERE, "n-")
        delete(api, "llama-0")
        soon("the other", lambda: uids(api).get("llama-0", before["llama-0"]) != before["llama-0"])


def test_a_worker_that_went_while_a_watch_was_away_gets_no_pods(
    api: ApiServer, cable: Cable, tmp_path: Path
) -> None:
    with operating(api, tmp_path / "operator", cable) as log:
        api.apply(WORKER)
        soon("its pods", lambda: len(uids(api)) == 2)
        cable.cut()
        api.kubectl("delete", "ciw", "llama", WHERE)
        for pod in ("llama-0", "llama-1"):
            delete(api, pod)
        compact(api)
        cable.mend()
        other = {**WORKER, "metadata": {"name": "other", "namespace": NAMESPACE}}
        api.apply(other)
        soon("the pods of another", lambda: {"other-0", "other-1"} <= uids(api).keys())

        soon("nothing of it", lambda: uids(api).keys() == {"other-0", "other-1"})
        assert "Traceback" not in log.read_text()


def test_an_operator_that_starts_with_a_bad_spec_replaces_pods_by_the_last_good_one(
    api: ApiServer, cable: Cable, tmp_path: Path
) -> None:
    with operating(api, tmp_path / "first", cable):
        api.apply(WORKER)
        soon("its status", lambda: status(api).get("replicas") == 2)
    (kept,) = api.kubectl_json("get", "controllerrevisions", WHERE)["items"]
    assert (
        kept["metadata"]["name"]
        == api.kubectl_json("get", "ciw", "llama", WHERE)["status"]["currentRevision"]
    )
    bad = {"spec": {"template": {"spec": {"containers": [{"name": "engine", "args": [1]}]}}}}
    api.kubectl("patch", "ciw", "llama", WHERE, "--type=merge", f"--patch={json.dumps(bad)}")
    before = uids(api)

    with operating(api, tmp_path / "second", cable):
        soon("a word", lambda: condition(api, "Degraded") == ("True", "InvalidSpec"))
        delete(api, "llama-1")
        soon(
            "another pod", lambda: uids(api).get("llama-1", before["llama-1"]) != before["llama-1"]
        )

    (engine,) = api.kubectl_json("get", "pod", "llama-1", WHERE)["spec"]["containers"]
    assert engine["image"] == "engine"
    assert not engine.get("args")


def test_pods_of_an_earlier_release_are_seen_and_stay(
    api: ApiServer, cable: Cable, tmp_path: Path
) -> None:
    with operating(api, tmp_path / "first", cable):
        api.apply(WORKER)
        soon("its pods", lambda: len(uids(api)) == 2)
    before = uids(api)
    api.kubectl("label", "pods", "--all", WHERE, "numalocal.io/bound-")

    with operating(api, tmp_path / "second", cable):
        chosen = "--selector=numalocal.io/bound=true"
        soon("the label", lambda: len(api.kubectl_json("get", "pods", WHERE, chosen)["items"]) == 2)
        soon("its status", lambda: status(api).get("replicas") == 2)
        delete(api, "llama-1")
        soon(
            "another pod", lambda: uids(api).get("llama-1", before["llama-1"]) != before["llama-1"]
        )

    assert uids(api)["llama-0"] == before["llama-0"]
