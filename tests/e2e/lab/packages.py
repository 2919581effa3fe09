"""What must be installed on this machine: programs and headers, from Debian packages."""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from lab.commands import LabError, run, step

_PACKAGE_OF = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "etcd": "etcd-server",
    "buildah": "buildah",
    "mke2fs": "e2fsprogs",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "openssl": "openssl",
    "gcc": "gcc libc6-dev",
    "pkg-config": "pkg-config",
    "/usr/include/seccomp.h": "libseccomp-dev",
}
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def require(*programs: str) -> None:
    """Install the packages of these programs that are missing; of all, where none is named.

    Raises:
        LabError: without root, which namespaces, taps and mounts need.
    """
    if os.geteuid() != 0:
        raise LabError("the lab needs root for network namespaces and images: run it with sudo")
    os.environ["PATH"] = _PATH
    missing = lacking(_found, programs or tuple(_PACKAGE_OF))
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise LabError(
            f"missing here: {', '.join(missing)}; install them with your package manager"
        )
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with step(f"installing {' '.join(missing)}"):
        run(["apt-get", "update", "-qq"], env=env)
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], env=env)


def lacking(
    found: Callable[[str], object], programs: Iterable[str] = tuple(_PACKAGE_OF)
) -> list[str]:
    """Name the packages of the programs and headers that are not `found`, sorted."""
    named = (_PACKAGE_OF[program] for program in programs if not found(program))
    return sorted({package for names in named for package in names.split()})


def _found(name: str) -> bool:
    """Look for a program on PATH, or for a header where it is."""
    return Path(name).exists() if name.endswith(".h") else shutil.which(name) is not None
