"""What a failed test keeps, also where half of the lab is gone."""

import os
from pathlib import Path

import pytest

from lab.handle import Lab


@pytest.fixture(autouse=True)
def _way_to_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program `ip` first that says what it was asked, where the real one would go there."""
    folder = tmp_path / "path"
    folder.mkdir()
    write_program(folder / "ip", 'echo "ip $*"')
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def write_program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def state(folder: Path, kubectl: str) -> Path:
    """Lay out a lab's state with a kubectl of the test's own."""
    (folder / "bin").mkdir(parents=True)
    write_program(folder / "bin" / "kubectl", kubectl)
    (folder / "run").mkdir()
    (folder / "run" / "kube-apiserver.log").write_text("served")
    (folder / "run" / "console.log").write_text("booted")
    (folder / "run" / "qemu.pid").write_text("{}")
    return folder


def test_kubectl_is_the_labs_own_and_knows_the_cluster(tmp_path: Path) -> None:
    lab = Lab(state(tmp_path, 'echo "$KUBECONFIG $*"'))

    assert lab.kubectl("get", "pods") == f"{tmp_path}/kubeconfig get pods\n"


def test_kubectl_json_asks_for_json_and_parses_it(tmp_path: Path) -> None:
    lab = Lab(state(tmp_path, """printf '["%s"]' "$*" """))

    assert lab.kubectl_json("get", "pods") == ["get pods --output json"]


def test_a_manifest_goes_in_by_standard_input(tmp_path: Path) -> None:
    lab = Lab(state(tmp_path, "cat"))

    assert lab.kubectl("apply", "--filename", "-", stdin="kind: Pod") == "kind: Pod"


def test_the_logs_of_both_sides_are_kept(tmp_path: Path) -> None:
    lab = Lab(state(tmp_path / "state", 'echo "$@"'))

    lab.collect_logs(tmp_path / "logs")

    kept = {path.stem: path.read_text() for path in (tmp_path / "logs").iterdir()}
    assert set(kept) == {
        *("kube-apiserver", "console"),
        *("agent", "agent-previous", "operator", "operator-previous"),
        *("kubelet", "containerd", "kube-proxy", "kernel"),
        *("pods", "nodes", "workers", "topologies", "events"),
    }
    assert kept["kube-apiserver"] == "served"
    assert "--selector app.kubernetes.io/component=operator" in kept["operator"]
    assert kept["agent-previous"].endswith("--previous\n")
    assert kept["containerd"].startswith("ip netns exec ")
    assert kept["containerd"].endswith("journalctl --no-pager --unit containerd\n")


def test_what_cannot_be_had_leaves_its_reason(tmp_path: Path) -> None:
    lab = Lab(state(tmp_path / "state", "echo the API server is away >&2; exit 1"))

    lab.collect_logs(tmp_path / "logs")

    assert "the API server is away" in (tmp_path / "logs" / "pods.log").read_text()
