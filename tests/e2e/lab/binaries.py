"""Kubernetes and helm, built from their Go modules."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lab import golang
from lab.artifacts import artifact, cache, key
from lab.commands import run

SOURCE: Final = Path(__file__).parent / "kubernetes"
RELEASES: Final = {"1.36": "v1.36.3", "1.37": "v1.37.2"}
"""What is built of each version of Kubernetes; the first is run where nothing is said."""
HELM: Final = "v3.22.0"
COMPONENTS: Final = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
)


def kubernetes(version: str) -> Path:
    """Give the folder of a version with every component: one binary and a link per name."""
    main, module = SOURCE / "main.go", SOURCE / version
    digest = key(RELEASES[version], main, module)
    return artifact(f"kubernetes-{version}", digest, lambda made: _build(made, version))


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


def _build(folder: Path, version: str) -> None:
    target = folder / "kubernetes"
    linked = f"-X k8s.io/component-base/version.gitVersion={RELEASES[version]}"
    # The program is one for all versions, and Go wants it beside its go.mod.
    with tempfile.TemporaryDirectory() as work:
        module = shutil.copytree(SOURCE / version, Path(work) / version)
        shutil.copy(SOURCE / "main.go", module)
        golang.build(module, ["."], target, linked=linked)
    for name in COMPONENTS:
        (folder / name).symlink_to(target.name)


def _build_helm(folder: Path) -> None:
    env = {**golang.environment(), "GOBIN": str(folder)}
    run([golang.go(), "install", "-ldflags", "-s -w", f"helm.sh/helm/v3/cmd/helm@{HELM}"], env=env)
