import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from numalocal.idset import IdSet
from numalocal.machine.model import Machine
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool
from numalocal_deviceplugin.errors import PublishFailed
from numalocal_deviceplugin.node.publisher import Publisher, in_cluster, pools_annotation, run

from ..nodes import make_machine, make_partition
from ..waiting import until


class ApiServer(BaseHTTPRequestHandler):
    answers: ClassVar[list[tuple[int, str]]] = []
    requests: ClassVar[list[tuple[str, dict[str, str], Any]]] = []

    def do_PATCH(self) -> None:
        size = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(size))
        self.requests.append((self.path, dict(self.headers), body))
        status, text = self.answers.pop(0) if self.answers else (200, "{}")
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
        pass


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Publisher]:
    ApiServer.answers.clear()
    ApiServer.requests.clear()
    (tmp_path / "token").write_text("secret\n")
    with HTTPServer(("127.0.0.1", 0), ApiServer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        port = server.server_port
        yield Publisher(
            lambda: HTTPConnection("127.0.0.1", port, timeout=2), tmp_path / "token", "worker-1"
        )
        server.shutdown()
        thread.join()


def test_the_annotation_gives_sets_and_largest_size_by_pool() -> None:
    written = '{"cpuset":{"sets":2,"cpusPerSet":2,"nodeMemoryBytes":8589934592}}'

    assert pools_annotation(make_partition(), make_machine()) == written


def test_several_pools_are_described_each() -> None:
    machine: Machine = make_machine(nodes=1, cores=6)
    parts = partition(machine, (Pool(name="small", size=2), Pool(name="rest")))

    assert json.loads(pools_annotation(parts, machine)) == {
        "small": {"sets": 2, "cpusPerSet": 4, "nodeMemoryBytes": 8 << 30},
        "rest": {"sets": 1, "cpusPerSet": 2, "nodeMemoryBytes": 8 << 30},
    }


def test_the_largest_node_is_one_that_a_set_has_memory_of() -> None:
    machine = make_machine(nodes=3)
    sizes = (8 << 30, 0, 64 << 30)
    nodes = [
        node._replace(memory_bytes=size) for node, size in zip(machine.nodes, sizes, strict=True)
    ]
    nodes[1] = nodes[1]._replace(distances={0: 12, 1: 10, 2: 40})
    machine = machine._replace(nodes=tuple(nodes))
    parts = partition(machine, (Pool(name="cpuset", nodes=IdSet.of([1])),))

    told = json.loads(pools_annotation(parts, machine))

    assert told["cpuset"]["nodeMemoryBytes"] == 8 << 30


def test_the_node_is_patched_with_the_pods_own_token(publisher: Publisher) -> None:
    publisher.publish('{"cpuset":{}}')

    ((path, headers, body),) = ApiServer.requests
    assert path == "/api/v1/nodes/worker-1"
    assert headers["Authorization"] == "Bearer secret"
    assert headers["Content-Type"] == "application/merge-patch+json"
    assert body == {"metadata": {"annotations": {"numalocal.io/pools": '{"cpuset":{}}'}}}


def test_a_refusal_is_told_in_the_api_servers_words(publisher: Publisher) -> None:
    ApiServer.answers.append((403, '{"message": "nodes is forbidden"}'))

    with pytest.raises(PublishFailed) as caught:
        publisher.publish("{}")

    assert str(caught.value) == "PATCH /api/v1/nodes/worker-1: status 403: nodes is forbidden"


def test_an_answer_that_is_no_status_is_quoted(publisher: Publisher) -> None:
    ApiServer.answers.append((502, "<html>"))

    with pytest.raises(PublishFailed, match="status 502: <html>"):
        publisher.publish("{}")


def test_an_absent_api_server_is_a_failure_to_publish(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    nowhere = Publisher(
        lambda: HTTPConnection("127.0.0.1", 1, timeout=1), tmp_path / "token", "worker-1"
    )

    with pytest.raises(PublishFailed, match="PATCH"):
        nowhere.publish("{}")


def test_publishing_goes_on_until_it_is_done_and_again_when_wanted(publisher: Publisher) -> None:
    ApiServer.answers.extend([(500, ""), (500, "")])
    wanted, stop = threading.Event(), threading.Event()
    thread = threading.Thread(
        target=run,
        args=(publisher, "{}", wanted, stop),
        kwargs={"retry_first_s": 0.01, "retry_ceiling_s": 0.01},
    )
    thread.start()
    assert not ApiServer.requests

    wanted.set()
    until(lambda: len(ApiServer.requests) == 3, "third try")
    wanted.set()
    until(lambda: len(ApiServer.requests) == 4, "published again")

    stop.set()
    wanted.set()
    thread.join(2)
    assert not thread.is_alive()
    assert len(ApiServer.requests) == 4


def test_a_process_that_is_no_pod_publishes_nothing(tmp_path: Path) -> None:
    inside = {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}
    assert in_cluster("worker-1", inside, tmp_path) is None
    (tmp_path / "token").write_text("secret")

    assert in_cluster("worker-1", {}, tmp_path) is None
    assert in_cluster("", inside, tmp_path) is None
    assert in_cluster("worker-1", inside, tmp_path) is not None


def test_a_service_account_without_its_authority_is_a_failure_to_publish(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    publisher = in_cluster("worker-1", {"KUBERNETES_SERVICE_HOST": "127.0.0.1"}, tmp_path)
    assert publisher is not None

    with pytest.raises(PublishFailed):
        publisher.publish("{}")
