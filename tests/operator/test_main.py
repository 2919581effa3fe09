import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def started(**environ: str) -> subprocess.Popen[str]:
    """Start the operator as its image does, with no environment but what is given."""
    command = [sys.executable, "-m", "numalocal_operator"]
    path = os.pathsep.join(str(ROOT / folder) for folder in ("core", "operator"))
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": path, **environ}
    return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("inside", [False, True], ids=["outside a cluster", "inside one"])
def test_without_a_cluster_it_ends_with_one_sentence(tmp_path: Path, *, inside: bool) -> None:
    # Inside a cluster there would be a token beside the address.
    address = {"KUBERNETES_SERVICE_HOST": "192.0.2.1", "KUBERNETES_SERVICE_PORT": "443"}

    with started(HOME=str(tmp_path), **(address if inside else {})) as process:
        _, stderr = process.communicate(timeout=60)

    assert process.returncode == 1
    (line,) = stderr.splitlines()
    assert line.startswith("numalocal-operator: no cluster to work for: ")


def test_it_logs_its_configuration_first_and_as_json(tmp_path: Path) -> None:
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
    with started(KUBECONFIG=str(config)) as process:
        assert process.stderr is not None
        first = json.loads(process.stderr.readline())
        process.terminate()
        process.communicate(timeout=30)

    assert first["message"] == "starting"
    assert first["binder_image"] == "docker.io/numalocal/binder:0.1.0"
