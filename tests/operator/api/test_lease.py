"""One Lease against a fake API server: what is read, written, and answered by somebody else's."""

from collections.abc import Iterator

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from numalocal_operator.api.connection import Connection
from numalocal_operator.api.lease import Lease

from ..fake_api import LEASES, FakeApi

ONE = f"{LEASES}/numalocal-operator"
SPEC = {"holderIdentity": "operator-a_1", "leaseDurationSeconds": 10}


@pytest.fixture
def lease(api: FakeApi) -> Iterator[Lease]:
    settings = client.Configuration()
    settings.host = api.url
    with client.ApiClient(settings) as made:
        yield Lease("system", "numalocal-operator", Connection(made))


def chart(api: FakeApi) -> None:
    metadata = {"name": "numalocal-operator", "namespace": "system", "labels": {"app": "n"}}
    api.put(LEASES, {"metadata": {**metadata, "resourceVersion": "v0"}})


def test_the_charts_lease_is_read_and_written_with_all_that_stands_on_it(
    api: FakeApi, lease: Lease
) -> None:
    chart(api)
    read = lease.read()
    assert read is not None

    written = lease.write(read, SPEC)

    assert written is not None
    assert written["spec"] == SPEC
    assert api.objects[ONE]["metadata"]["labels"] == {"app": "n"}
    assert written["metadata"]["resourceVersion"] != "v0"


def test_who_comes_second_is_told_so(api: FakeApi, lease: Lease) -> None:
    chart(api)
    read = lease.read()
    assert lease.write(read, SPEC) is not None

    assert lease.write(read, {**SPEC, "holderIdentity": "operator-b_2"}) is None

    assert api.objects[ONE]["spec"] == SPEC


def test_one_that_is_not_there_is_made_once(api: FakeApi, lease: Lease) -> None:
    assert lease.read() is None

    assert lease.write(None, SPEC) is not None
    assert lease.write(None, SPEC) is None

    assert api.objects[ONE]["metadata"]["namespace"] == "system"


def test_one_that_went_meanwhile_is_somebody_elses_doing(api: FakeApi, lease: Lease) -> None:
    chart(api)
    read = lease.read()
    del api.objects[ONE]

    assert lease.write(read, SPEC) is None


def test_a_right_that_lacks_is_no_sign_of_another_leader(api: FakeApi, lease: Lease) -> None:
    chart(api)
    api.refusals["PUT", ONE] = (403, "forbidden")

    with pytest.raises(ApiException):
        lease.write(lease.read(), SPEC)
