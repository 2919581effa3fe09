"""The base image of the project's Dockerfile, made here under its own name."""

from pathlib import Path

from lab import buildah
from lab.artifacts import artifact, key
from lab.commands import run
from lab.node_image import SUITE

NAME = "docker.io/library/debian:trixie-slim"
_LEFT_OUT = ("doc", "man", "locale", "info")


def digest() -> str:
    """Name what the base image is made from."""
    return key(NAME, SUITE, Path(__file__))


def require() -> None:
    """See that the storage has the base image."""
    folder = artifact("base", digest(), _build)
    if NAME not in buildah.names():
        buildah.pull(folder / "base.tar")


def _build(folder: Path) -> None:
    root = folder / "root.tar"
    excludes = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT]
    run(["mmdebstrap", "--variant=minbase", *excludes, SUITE, root])
    (folder / "Dockerfile").write_text('FROM scratch\nADD root.tar /\nCMD ["bash"]\n')
    buildah.build("--tag", NAME, context=folder)
    buildah.push(NAME, folder / "base.tar")
    root.unlink()
