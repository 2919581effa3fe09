"""Container images by buildah, in a storage of the lab's own, without a registry."""

import os
from pathlib import Path

from lab.artifacts import cache
from lab.commands import run


def build(*arguments: str, context: Path) -> None:
    """Build an image from a folder with a Dockerfile.

    Base images must be in the storage: there is no registry to ask.
    """
    _buildah("build", "--pull=never", *arguments, str(context))


def push(name: str, archive: Path) -> None:
    """Write an image as an archive that carries its name."""
    _buildah("push", name, f"docker-archive:{archive}:{name}")


def pull(archive: Path) -> None:
    """Take an archive's image into the storage."""
    _buildah("pull", f"docker-archive:{archive}")


def names() -> frozenset[str]:
    """Give the names of the images in the storage."""
    return frozenset(_buildah("images", "--format", "{{.Name}}:{{.Tag}}").split())


def remove_leftovers() -> None:
    """Remove the working containers that a killed build has left."""
    _buildah("rm", "--all")


def _buildah(*arguments: str) -> str:
    # What it mounts ends with it, also where it is killed: a mount namespace of its own.
    apart = ["unshare", "--mount"]
    storage = cache() / "containers"
    roots = ["--root", str(storage), "--runroot", str(storage / "run")]
    env = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    return run([*apart, "buildah", *roots, *arguments], env=env)
