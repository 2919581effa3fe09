import pytest

from numalocal_operator.config import (
    Config,
    ConfigInvalid,
    Listening,
    Place,
    Webhook,
    from_environ,
)


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
        "NUMALOCAL_LISTEN_ADDRESS": "127.0.0.1",
        "NUMALOCAL_LISTEN_HEALTH": "18080",
        "NUMALOCAL_LISTEN_WEBHOOK": "0",
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


def test_what_the_kubelet_says_of_services_is_not_for_us() -> None:
    """It sets these for the Service numalocal-webhook, and for others that have such names."""
    made: dict[str, str] = {}
    for service in ("WEBHOOK", "LISTEN", "LEASE", "LISTEN_HEALTH"):
        prefix = f"NUMALOCAL_{service}"
        made |= {
            f"{prefix}_PORT": "tcp://10.96.109.19:443",
            f"{prefix}_PORT_443_TCP": "tcp://10.96.109.19:443",
            f"{prefix}_PORT_443_TCP_ADDR": "10.96.109.19",
            f"{prefix}_PORT_443_TCP_PORT": "443",
            f"{prefix}_PORT_443_TCP_PROTO": "tcp",
            f"{prefix}_SERVICE_HOST": "10.96.109.19",
            f"{prefix}_SERVICE_PORT": "443",
        }

    assert from_environ(made) == Config()


@pytest.mark.parametrize(
    "text", ["tcp://10.96.109.19:443", "-1", "65536", "8e3", "9" * 5000, "\u0663"]
)
def test_a_port_of_no_sense_is_told_by_its_variable(text: str) -> None:
    with pytest.raises(
        ConfigInvalid, match=r"^NUMALOCAL_LISTEN_WEBHOOK: '.* must be a port"
    ) as told:
        from_environ({"NUMALOCAL_LISTEN_WEBHOOK": text})

    assert len(str(told.value)) < 200
