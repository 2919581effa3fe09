import pytest

from numalocal_operator.config import Config, Listening, Place, Webhook, from_environ


def test_everything_has_a_default() -> None:
    assert from_environ({}) == Config()


def test_every_variable_is_read() -> None:
    environ = {
        "NUMALOCAL_BINDER_IMAGE": "mirror.example/binder:1",
        "NUMALOCAL_BINDER_PULL_POLICY": "Always",
        "NUMALOCAL_NAMESPACE": "serving",
        "NUMALOCAL_LOG_LEVEL": "debug",
        "NUMALOCAL_LEASE_NAMESPACE": "system",
        "NUMALOCAL_LEASE": "west-operator",
        "NUMALOCAL_ADDRESS": "127.0.0.1",
        "NUMALOCAL_HEALTH_PORT": "18080",
        "NUMALOCAL_WEBHOOK_PORT": "0",
        "PATH": "/usr/bin",
    }

    assert from_environ(environ) == Config(
        binder_image="mirror.example/binder:1",
        binder_pull_policy="Always",
        namespace="serving",
        log_level="debug",
        lease=Place(namespace="system", name="west-operator"),
        listening=Listening(address="127.0.0.1", health_port=18080, webhook_port=0),
    )


def test_the_webhook_is_served_where_the_chart_says_where() -> None:
    environ = {
        "NUMALOCAL_WEBHOOK_NAMESPACE": "system",
        "NUMALOCAL_WEBHOOK_SERVICE": "hook",
        "NUMALOCAL_WEBHOOK_SECRET": "certificate",
        "NUMALOCAL_WEBHOOK_CONFIGURATION": "hooks",
        "NUMALOCAL_WEBHOOK_CERTIFICATE": "cert-manager",
    }

    webhook = from_environ(environ).webhook

    assert webhook == Webhook(
        namespace="system",
        service="hook",
        secret="certificate",
        configuration="hooks",
        managed=True,
    )
    assert webhook.hosts == ("hook.system.svc", "hook.system.svc.cluster.local")


@pytest.mark.parametrize("name", ["NUMALOCAL_BINDER_IMAGE", "NUMALOCAL_LOG_LEVEL"])
def test_an_empty_variable_is_an_absent_one(name: str) -> None:
    assert from_environ({name: ""}) == Config()
