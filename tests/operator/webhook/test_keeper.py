"""The keeper against a fake API server: who writes what, and in which order."""

import base64
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from kubernetes import client

from numalocal_operator.api.connection import Connection
from numalocal_operator.api.gate import Gate, guard
from numalocal_operator.config import Webhook
from numalocal_operator.webhook.authority import Credentials
from numalocal_operator.webhook.keeper import LOOK_S, RETRY_S, SETTLE_S, Keeper

from ..fake_api import CONFIGURATIONS, SECRETS, FakeApi
from .conftest import NOW

NAME = "numalocal-webhook"
PLACE = Webhook(namespace="serving", service=NAME, secret=NAME, configuration=NAME, managed=False)
CERT_MANAGER = Webhook(
    namespace="serving", service=NAME, secret=NAME, configuration=NAME, managed=True
)


@pytest.fixture
def connection(api: FakeApi) -> Iterator[Connection]:
    settings = client.Configuration()
    settings.host = api.url
    with client.ApiClient(settings) as made:
        yield Connection(made)


@pytest.fixture
def served() -> list[Credentials]:
    return []


def keeping(
    place: Webhook,
    serve: Callable[[Credentials], None],
    connection: Connection,
    leads: Callable[[], bool] = lambda: True,
) -> Keeper:
    return Keeper(place, serve, connection, leads)


def install(api: FakeApi) -> None:
    api.put(SECRETS, {"metadata": {"name": NAME, "resourceVersion": "v0"}})
    webhook = {"name": "pods.numalocal.io", "clientConfig": {"service": {"name": NAME}}}
    api.put(CONFIGURATIONS, {"metadata": {"name": NAME}, "webhooks": [webhook]})


def secret(api: FakeApi) -> dict[str, bytes]:
    data = api.objects[f"{SECRETS}/{NAME}"].get("data", {})
    return {name: base64.b64decode(text) for name, text in data.items()}


def bundle(api: FakeApi) -> bytes:
    (webhook,) = api.objects[f"{CONFIGURATIONS}/{NAME}"]["webhooks"]
    return base64.b64decode(webhook["clientConfig"].get("caBundle", ""))


def test_the_charts_empty_secret_is_filled_told_and_served(
    api: FakeApi, connection: Connection, served: list[Credentials]
) -> None:
    install(api)

    keeping(PLACE, served.append, connection).round(NOW)

    (credentials,) = served
    assert secret(api) == credentials.data()
    assert bundle(api) == credentials.ca_bundle
    assert api.writes() == [
        ("PUT", f"{SECRETS}/{NAME}"),
        ("PATCH", f"{CONFIGURATIONS}/{NAME}"),
    ]
    (webhook,) = api.objects[f"{CONFIGURATIONS}/{NAME}"]["webhooks"]
    assert webhook["clientConfig"]["service"] == {"name": NAME}


def test_what_is_good_is_not_written_again(
    api: FakeApi, connection: Connection, served: list[Credentials]
) -> None:
    install(api)
    keeping(PLACE, served.append, connection).round(NOW)
    api.requests.clear()

    keeping(PLACE, served.append, connection).round(NOW + timedelta(days=30))

    assert api.writes() == []
    assert served[0] == served[1]


def test_a_second_replica_serves_what_the_first_has_written(
    api: FakeApi, connection: Connection, served: list[Credentials]
) -> None:
    install(api)
    first = keeping(PLACE, served.append, connection)
    stale = dict(api.objects[f"{SECRETS}/{NAME}"])
    first.round(NOW)
    second = keeping(PLACE, served.append, connection)

    assert not second._write(stale, served[0])
    second.round(NOW)

    assert served[0] == served[1]


def test_a_bundle_that_somebody_took_away_is_told_again(
    api: FakeApi, connection: Connection, served: list[Credentials]
) -> None:
    install(api)
    keeper = keeping(PLACE, served.append, connection)
    keeper.round(NOW)
    (webhook,) = api.objects[f"{CONFIGURATIONS}/{NAME}"]["webhooks"]
    del webhook["clientConfig"]["caBundle"]

    keeper.round(NOW)

    assert bundle(api) == served[0].ca_bundle


def authorities(credentials: Credentials) -> list[bytes]:
    return [
        f"-----BEGIN{one}".encode()
        for one in credentials.ca_bundle.decode().split("-----BEGIN")[1:]
    ]


@pytest.mark.parametrize("emptied", [False, True], ids=["near its end", "lost with the Secret"])
def test_a_new_authority_is_told_beside_the_old_one_and_signs_a_round_later(
    api: FakeApi,
    connection: Connection,
    served: list[Credentials],
    emptied: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    install(api)
    keeper = keeping(PLACE, served.append, connection)
    later = NOW if emptied else NOW + timedelta(days=3640)

    assert keeper.round(NOW) == LOOK_S
    if emptied:
        api.objects[f"{SECRETS}/{NAME}"]["data"] = {}
    assert keeper.round(later) == SETTLE_S

    (old,) = served
    (was,) = authorities(old)
    told = bundle(api)
    assert told.endswith(was)
    assert told.count(b"BEGIN CERTIFICATE") == 2
    assert keeper.round(later) == LOOK_S
    assert served[1].ca_bundle == told == bundle(api)
    assert authorities(served[1])[0] != was


def test_a_replica_that_did_not_renew_serves_its_old_leaf_until_the_api_server_knows(
    api: FakeApi, connection: Connection, served: list[Credentials]
) -> None:
    install(api)
    first = keeping(PLACE, lambda _made: None, connection)
    second = keeping(PLACE, served.append, connection)
    first.round(NOW)
    second.round(NOW)
    api.objects[f"{SECRETS}/{NAME}"]["data"] = {}
    first.round(NOW)

    assert second.round(NOW) == SETTLE_S
    assert len(served) == 1
    second.round(NOW)
    assert secret(api) == served[1].data()


def test_a_secret_that_is_lost_again_and_again_loses_no_authority_that_is_served(
    api: FakeApi, connection: Connection, served: list[Credentials]
) -> None:
    install(api)
    keeper = keeping(PLACE, served.append, connection)
    keeper.round(NOW)
    for _ in range(2):
        api.objects[f"{SECRETS}/{NAME}"]["data"] = {}
        assert keeper.round(NOW) == SETTLE_S

    assert authorities(served[0])[0] in bundle(api)


def test_a_leaf_of_the_same_authority_is_served_at_once(
    api: FakeApi, connection: Connection, served: list[Credentials]
) -> None:
    install(api)
    keeper = keeping(PLACE, served.append, connection)
    keeper.round(NOW)

    assert keeper.round(NOW + timedelta(days=61)) == LOOK_S
    assert served[0].leaf != served[1].leaf
    assert served[0].ca_bundle == served[1].ca_bundle


def test_a_secret_of_cert_manager_is_read_and_never_written(
    api: FakeApi,
    connection: Connection,
    served: list[Credentials],
    credentials: Credentials,
) -> None:
    install(api)
    keeper = keeping(CERT_MANAGER, served.append, connection)
    keeper.round(NOW)
    assert served == []
    held: dict[str, Any] = api.objects[f"{SECRETS}/{NAME}"]
    held["data"] = {
        name: base64.b64encode(credentials.data()[name]).decode() for name in ("tls.crt", "tls.key")
    }

    keeper.round(NOW)

    assert served[0].leaf == credentials.leaf
    assert api.writes() == []


def test_a_secret_with_nonsense_is_filled_anew(
    api: FakeApi, connection: Connection, served: list[Credentials]
) -> None:
    install(api)
    api.objects[f"{SECRETS}/{NAME}"]["data"] = {"tls.crt": "%%%", "ca.crt": "AAAA"}

    keeping(PLACE, served.append, connection).round(NOW)

    assert secret(api) == served[0].data()


def test_a_follower_writes_nothing_and_serves_what_the_leader_has_written(
    api: FakeApi, connection: Connection, served: list[Credentials]
) -> None:
    install(api)
    follower = keeping(PLACE, served.append, connection, lambda: False)

    assert follower.round(NOW) == RETRY_S, "the leader will have filled it soon"
    assert api.writes() == []
    leader = keeping(PLACE, lambda _made: None, connection)
    leader.round(NOW)
    api.requests.clear()
    assert follower.round(NOW) == LOOK_S

    assert api.writes() == []
    assert [one.data() for one in served] == [secret(api)]


def test_a_follower_serves_nothing_of_which_the_api_server_has_not_been_told(
    api: FakeApi, connection: Connection, served: list[Credentials]
) -> None:
    """A leader may end between its two writes; the next one tells."""
    install(api)
    leader = keeping(PLACE, lambda _made: None, connection)
    leader.round(NOW)
    (webhook,) = api.objects[f"{CONFIGURATIONS}/{NAME}"]["webhooks"]
    webhook["clientConfig"]["caBundle"] = base64.b64encode(b"another").decode()
    follower = keeping(PLACE, served.append, connection, lambda: False)

    assert follower.round(NOW) == RETRY_S
    assert served == []
    leader.round(NOW)
    assert follower.round(NOW) == LOOK_S

    assert len(served) == 1


def test_who_ceases_to_lead_while_it_renews_goes_on_as_a_follower(
    api: FakeApi, served: list[Credentials]
) -> None:
    install(api)
    settings = client.Configuration()
    settings.host = api.url
    with client.ApiClient(settings) as made:
        guard(made, Gate(lambda: False))
        keeper = keeping(PLACE, served.append, Connection(made))

        assert keeper.round(NOW) == RETRY_S

    assert api.writes() == []
