import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from .waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
GRACE_S = 30
"""What a pod is given to end; it ends in a second where the machine is not busy."""


def started(*arguments: str, **environ: str) -> subprocess.Popen[str]:
    """Start the operator as its image does, with no environment but what is given."""
    command = [sys.executable, "-m", "numalocal_operator", *arguments]
    path = os.pathsep.join(str(ROOT / folder) for folder in ("core", "operator"))
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": path, **environ}
    return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("inside", [False, True], ids=["outside a cluster", "inside one"])
def test_without_a_cluster_it_ends_with_one_sentence(tmp_path: Path, *, inside: bool) -> None:
    # Inside a cluster there would be a token beside the address.
    address = {"KUBERNETES_SERVICE_HOST": "192.0.2.1", "KUBERNETES_SERVICE_PORT": "443"}

    with started(HOME=str(tmp_path), **(address if inside else {})) as process:
        _, stderr = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 1
    (line,) = stderr.splitlines()
    assert line.startswith("numalocal-operator: no cluster to work for: ")


def test_arguments_are_refused_before_it_looks_for_a_cluster(tmp_path: Path) -> None:
    with started("--help", HOME=str(tmp_path)) as process:
        _, stderr = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 2
    assert stderr.startswith("numalocal-operator: takes no arguments: the chart's values become")


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """Write a configuration for an API server that is away."""
    cluster = {"name": "a", "cluster": {"server": "http://127.0.0.1:1"}}
    config = tmp_path / "config"
    config.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [cluster],
                "users": [{"name": "a", "user": {"token": "none"}}],
                "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
                "current-context": "a",
            }
        )
    )
    return config


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_without_an_api_server_it_lives_and_ends_in_order_when_told_to(
    nowhere: Path, number: signal.Signals
) -> None:
    port = free_port()
    place = {"NUMALOCAL_LISTEN_ADDRESS": "127.0.0.1", "NUMALOCAL_LISTEN_HEALTH": str(port)}
    with started(KUBECONFIG=str(nowhere), **place) as process:
        assert process.stderr is not None
        first = json.loads(process.stderr.readline())
        health = answer(f"http://127.0.0.1:{port}/healthz")
        process.send_signal(number)
        began_s = time.monotonic()
        _, stderr = process.communicate(timeout=PATIENCE_S)
        took_s = time.monotonic() - began_s

    assert first["message"] == "starting"
    assert first["binder_image"] == "docker.io/numalocal/binder:0.1.0"
    assert health == "ok: follows nobody yet"
    assert process.returncode == 0
    assert took_s < GRACE_S
    lines = [json.loads(line) for line in stderr.splitlines()]
    assert "ending" in [one["message"] for one in lines]
    assert not [one for one in lines if "trace" in one and "numalocal" in one["logger"]]


def answer(url: str) -> str:
    """Give what is answered, once somebody answers."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_S) as found:
                return str(found.read().decode())
        except OSError:
            assert time.monotonic() < end, "nobody answers"
            time.sleep(0.05)


def test_it_loads_no_models_of_the_client() -> None:
    """They are 23 MB that nobody uses."""
    program = (
        "import sys, numalocal_operator.running\n"
        "print(sum(one.startswith('kubernetes.client.models.') for one in sys.modules))"
    )
    path = os.pathsep.join(str(ROOT / folder) for folder in ("core", "operator"))
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )

    assert int(done.stdout) <= 5


def test_a_variable_of_no_sense_is_a_sentence(nowhere: Path) -> None:
    with started(KUBECONFIG=str(nowhere), NUMALOCAL_LISTEN_HEALTH="tcp://10.0.0.1:80") as process:
        _, stderr = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 2
    assert stderr == (
        "numalocal-operator: NUMALOCAL_LISTEN_HEALTH: 'tcp://10.0.0.1:80' must be a port, "
        "0 to 65535\n"
    )
