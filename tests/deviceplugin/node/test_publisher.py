import base64
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal_deviceplugin.errors import PublishFailed
from numalocal_deviceplugin.node.publisher import Publisher, in_cluster, node_uid

from .api_server import COLLECTION, FakeApiServer, serving

STATUS = {"idle": "shared"}


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    with serving() as found:
        yield found


def token(claims: Any) -> str:
    """Make a token as the API server does, but for its signature."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{payload}.signature"


def test_an_object_that_is_there_is_patched_with_the_pods_own_token(
    api: FakeApiServer, tmp_path: Path
) -> None:
    api.objects["worker-1"] = {}

    api.publisher(tmp_path).publish(STATUS)

    ((method, path, headers, body),) = api.requests
    assert (method, path) == ("PATCH", f"{COLLECTION}/worker-1/status")
    assert headers["Authorization"] == "Bearer secret"
    assert headers["Content-Type"] == "application/merge-patch+json"
    assert body == {"status": STATUS}


def test_an_object_that_is_not_there_is_made_over_the_same_connection(
    api: FakeApiServer, tmp_path: Path
) -> None:
    api.publisher(tmp_path).publish(STATUS)

    assert api.methods == ["PATCH", "POST", "PATCH"]
    assert api.objects["worker-1"] == {
        "apiVersion": "numalocal.io/v1alpha1",
        "kind": "NodeCpuTopology",
        "metadata": {"name": "worker-1"},
        "status": STATUS,
    }
    assert len(api.connections) == 1


def test_the_node_that_the_token_names_owns_the_object(api: FakeApiServer, tmp_path: Path) -> None:
    of_node = token({"kubernetes.io": {"node": {"name": "worker-1", "uid": "n-1"}}})

    api.publisher(tmp_path, of_node).publish(STATUS)

    assert api.objects["worker-1"]["metadata"]["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "Node", "name": "worker-1", "uid": "n-1"}
    ]


def test_the_token_is_read_at_every_try(api: FakeApiServer, tmp_path: Path) -> None:
    api.objects["worker-1"] = {}
    publisher = api.publisher(tmp_path)
    publisher.publish(STATUS)
    (tmp_path / "token").write_text("newer\n")
    publisher.publish(STATUS)

    assert [one[2]["Authorization"] for one in api.requests] == ["Bearer secret", "Bearer newer"]


def test_somebody_who_makes_the_object_at_the_same_time_is_no_trouble(
    api: FakeApiServer, tmp_path: Path
) -> None:
    api.objects["worker-1"] = {}
    api.answers += [(404, "{}"), (409, '{"message": "exists"}')]

    api.publisher(tmp_path).publish(STATUS)

    assert api.methods == ["PATCH", "POST", "PATCH"]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (
            [(403, '{"message": "nodecputopologies is forbidden"}')],
            f"PATCH {COLLECTION}/worker-1/status: status 403: nodecputopologies is forbidden",
        ),
        ([(502, "<html>")], f"PATCH {COLLECTION}/worker-1/status: status 502: <html>"),
        (
            [(404, "{}"), (422, '{"message": "denied by the policy"}')],
            f"POST {COLLECTION}: status 422: denied by the policy",
        ),
        (
            [(404, "404 page not found"), (404, "404 page not found")],
            f"POST {COLLECTION}: the API server does not know the kind; install the CRD "
            "nodecputopologies.numalocal.io of the chart (its value crds.enabled, or "
            "charts/numalocal/definitions)",
        ),
        (
            [(404, "{}"), (201, "{}"), (404, "{}")],
            f"{COLLECTION}/worker-1: gone as soon as it was made",
        ),
    ],
)
def test_a_refusal_is_one_sentence_in_the_api_servers_words(
    api: FakeApiServer, tmp_path: Path, answers: list[tuple[int, str]], said: str
) -> None:
    api.answers += answers

    with pytest.raises(PublishFailed) as caught:
        api.publisher(tmp_path).publish(STATUS)

    assert str(caught.value) == said


def test_an_absent_api_server_is_a_failure_to_publish(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    nowhere = Publisher(
        lambda: HTTPConnection("127.0.0.1", 1, timeout=1), tmp_path / "token", "worker-1"
    )

    with pytest.raises(PublishFailed, match="worker-1"):
        nowhere.publish(STATUS)


def test_a_token_that_is_gone_is_a_failure_to_publish(api: FakeApiServer, tmp_path: Path) -> None:
    publisher = api.publisher(tmp_path)
    (tmp_path / "token").unlink()

    with pytest.raises(PublishFailed, match="token"):
        publisher.publish(STATUS)


@pytest.mark.parametrize("content", [b"two\nlines", b"\xff\xfe", "\u20ac".encode()])
def test_a_token_file_of_anything_else_is_a_failure_to_publish(
    api: FakeApiServer, tmp_path: Path, content: bytes
) -> None:
    publisher = api.publisher(tmp_path)
    (tmp_path / "token").write_bytes(content)

    with pytest.raises(PublishFailed):
        publisher.publish(STATUS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "a.b",
        "a.!!.c",
        "a.=.c",
        token(None),
        token([]),
        token({"kubernetes.io": None}),
        token({"kubernetes.io": {"node": "worker-1"}}),
        token({"kubernetes.io": {"node": {"uid": 7}}}),
        f"a.{base64.urlsafe_b64encode(b'[' * 100_000).decode()}.c",
        f"a.{base64.urlsafe_b64encode(bytes([255, 254])).decode()}.c",
    ],
)
def test_a_token_that_names_no_node_is_read_as_such(text: str) -> None:
    assert node_uid(text) == ""


@given(st.text(max_size=60))
def test_no_token_stops_the_agent(text: str) -> None:
    node_uid(f"a.{text}.c")


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
        publisher.publish(STATUS)
