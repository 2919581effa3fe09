"""The images of the lab: the project's own, from its Dockerfile, and the pause image."""

import shutil
from pathlib import Path

from lab import base_image, buildah
from lab.artifacts import artifact, key
from lab.commands import run

VERSION = "0.1.0"
TARGETS = ("agent", "operator", "binder", "decode")
PAUSE = "lab.numalocal.io/pause:1"
REPOSITORY = Path(__file__).parents[3]
SOURCES = (
    "Dockerfile",
    "pyproject.toml",
    "core/numalocal",
    "deviceplugin/numalocal_deviceplugin",
    "operator/numalocal_operator",
    "native",
    "setup/dependencies.py",
)
"""What the Dockerfile copies: a change of any of it builds the images anew."""

_PAUSE_SOURCE = Path(__file__).parent / "pause"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_CERTIFICATES_INSIDE = "/run/lab-certificates.crt"


def project_images() -> list[Path]:
    """Give one archive per target of the project's Dockerfile, built where sources changed."""
    sources = [REPOSITORY / source for source in SOURCES]
    digest = key(base_image.digest(), Path(__file__), *sources)
    folder = artifact("images", digest, _build_project)
    return [folder / f"{target}.tar" for target in TARGETS]


def pause_image() -> Path:
    """Give the archive with the image that holds a pod's namespaces."""
    return artifact("pause", key(PAUSE, _PAUSE_SOURCE), _build_pause) / "pause.tar"


def _build_project(folder: Path) -> None:
    buildah.remove_leftovers()
    base_image.require()
    for target in TARGETS:
        name = f"docker.io/numalocal/{target}:{VERSION}"
        # Layers are reused, so a change of our code installs no package again.  The certificates
        # are this machine's: what it trusts, the build trusts.
        buildah.build(
            *("--layers", "--target", target, "--tag", name),
            *("--build-arg", f"BASE_IMAGE={base_image.NAME}"),
            *("--build-arg", f"PIP_CERT={_CERTIFICATES_INSIDE}"),
            *("--volume", f"{_CERTIFICATES}:{_CERTIFICATES_INSIDE}:ro"),
            context=REPOSITORY,
        )
        buildah.push(name, folder / f"{target}.tar")


def _build_pause(folder: Path) -> None:
    shutil.copy(_PAUSE_SOURCE / "Dockerfile", folder)
    run(["gcc", "-Os", "-static", "-s", "-o", folder / "pause", _PAUSE_SOURCE / "pause.c"])
    buildah.build("--tag", PAUSE, context=folder)
    buildah.push(PAUSE, folder / "pause.tar")
