import pytest

from numalocal_operator.config import Config, from_environ


def test_everything_has_a_default() -> None:
    assert from_environ({}) == Config()


def test_every_variable_is_read() -> None:
    environ = {
        "NUMALOCAL_BINDER_IMAGE": "mirror.example/binder:1",
        "NUMALOCAL_BINDER_PULL_POLICY": "Always",
        "NUMALOCAL_NAMESPACE": "serving",
        "NUMALOCAL_LOG_LEVEL": "debug",
        "PATH": "/usr/bin",
    }

    assert from_environ(environ) == Config(
        binder_image="mirror.example/binder:1",
        binder_pull_policy="Always",
        namespace="serving",
        log_level="debug",
    )


@pytest.mark.parametrize("name", ["NUMALOCAL_BINDER_IMAGE", "NUMALOCAL_LOG_LEVEL"])
def test_an_empty_variable_is_an_absent_one(name: str) -> None:
    assert from_environ({name: ""}) == Config()
