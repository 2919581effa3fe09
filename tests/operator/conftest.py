"""A fake API server, and the operator's calls of it through the real client."""

from collections.abc import Iterator

import pytest
from kubernetes import client

from numalocal_operator.api.cluster import Cluster

from .fake_api import FakeApi, serving
from .informed import Informed


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """Serve an empty API server."""
    with serving() as fake:
        yield fake


@pytest.fixture
def cluster(api: FakeApi) -> Iterator[Cluster]:
    """Call it."""
    settings = client.Configuration()
    settings.host = api.url
    with client.ApiClient(settings) as connection:
        yield Cluster(connection)


@pytest.fixture
def turn(api: FakeApi, cluster: Cluster) -> Informed:
    """Do a round for the worker `llama`."""
    return Informed(api, cluster)
