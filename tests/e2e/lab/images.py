"""Container images by buildah, from the project's Dockerfile and without a registry."""

import os
from pathlib import Path

from lab.artifacts import artifact, cache, key
from lab.commands import run
from lab.node_image import SUITE

BASE = "docker.io/library/debian:trixie-slim"
VERSION = "0.1.0"
TARGETS = ("agent", "operator", "binder", "decode")
PAUSE = "lab.numalocal.io/pause:1"
REPOSITORY = Path(__file__).parents[3]
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_CERTIFICATES_INSIDE = "/run/lab-certificates.crt"
_SOURCES = (
    "Dockerfile",
    "pyproject.toml",
    "core",
    "deviceplugin/numalocal_deviceplugin",
    "operator/numalocal_operator",
    "native",
    "setup",
)


def project_images() -> list[Path]:
    """Give one archive per target of the project's Dockerfile, built where sources changed."""
    digest = key(BASE, *(REPOSITORY / source for source in _SOURCES))
    folder = artifact("images", digest, _build_project)
    return [folder / f"{target}.tar" for target in TARGETS]


def pause_image() -> Path:
    """Give the archive with the image that holds a pod's namespaces."""
    source = Path(__file__).parent / "pause"
    return artifact("pause", key(PAUSE, source), lambda folder: _build_pause(folder, source)) / (
        "pause.tar"
    )


def image(name: str, context: Path) -> Path:
    """Build any other image from a folder with a Dockerfile; give its archive."""

    def build(folder: Path) -> None:
        _buildah("build", "--tag", name, str(context))
        _push(name, folder / "image.tar")

    label = name.rpartition("/")[2].partition(":")[0]
    return artifact(f"image-{label}", key(name, context), build) / "image.tar"


def _build_project(folder: Path) -> None:
    _base_image()
    for target in TARGETS:
        name = f"docker.io/numalocal/{target}:{VERSION}"
        # Layers are reused, so a change of our code installs no package again.  The certificates
        # are this machine's: what it trusts, the build trusts.
        _buildah(
            *("build", "--layers", "--target", target, "--tag", name),
            *("--build-arg", f"BASE_IMAGE={BASE}", "--pull=never"),
            *("--build-arg", f"PIP_CERT={_CERTIFICATES_INSIDE}"),
            *("--volume", f"{_CERTIFICATES}:{_CERTIFICATES_INSIDE}:ro", str(REPOSITORY)),
        )
        _push(name, folder / f"{target}.tar")


def _base_image() -> None:
    """Make the Dockerfile's base image under its own name, as there is no registry to ask."""
    folder = artifact("base", key(BASE, SUITE), _build_base)
    known = _buildah("images", "--format", "{{.Name}}:{{.Tag}}").split()
    if BASE not in known:
        _buildah("pull", f"docker-archive:{folder / 'base.tar'}")


def _build_base(folder: Path) -> None:
    root = folder / "root.tar"
    slim = ["doc", "man", "locale", "info"]
    excludes = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in slim]
    run(["mmdebstrap", "--variant=minbase", *excludes, SUITE, root])
    (folder / "Dockerfile").write_text('FROM scratch\nADD root.tar /\nCMD ["bash"]\n')
    _buildah("build", "--tag", BASE, str(folder))
    _push(BASE, folder / "base.tar")
    root.unlink()


def _build_pause(folder: Path, source: Path) -> None:
    context = folder / "context"
    context.mkdir()
    run(["gcc", "-Os", "-static", "-s", "-o", context / "pause", source / "pause.c"])
    (context / "Dockerfile").write_text((source / "Dockerfile").read_text())
    _buildah("build", "--tag", PAUSE, str(context))
    _push(PAUSE, folder / "pause.tar")


def _push(name: str, archive: Path) -> None:
    _buildah("push", name, f"docker-archive:{archive}:{name}")


def _buildah(*arguments: str) -> str:
    env = {
        **os.environ,
        "BUILDAH_ISOLATION": "chroot",
        "STORAGE_DRIVER": "vfs",
    }
    store = cache() / "containers"
    roots = ["--root", str(store), "--runroot", str(store / "run")]
    return run(["buildah", *roots, *arguments], env=env)
