from datetime import UTC, datetime

import pytest

from numalocal_operator.webhook.authority import Credentials, renewed

HOSTS = ("numalocal-webhook.serving.svc", "numalocal-webhook.serving.svc.cluster.local")
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="session")
def credentials() -> Credentials:
    made = renewed(Credentials(), HOSTS, NOW)
    assert made is not None
    return made
