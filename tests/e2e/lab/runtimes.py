"""The node's container runtimes: containerd and runc, built from their Go modules or Debian's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab import golang
from lab.artifacts import artifact, key

CONTAINERD: Final = "v2.4.2"
RUNC: Final = "v1.5.2"

_HERE: Final = Path(__file__).parent
_CONTAINERD: Final = "github.com/containerd/containerd/v2"


@dataclass(frozen=True, slots=True)
class Runtime:
    """One that the node can run.  `files` are copied over the node's own.

    It comes from Debian's packages, or as folders of programs, which are built.  One that
    `validates` creates no container of a pod that requires a plugin which is away.
    """

    name: str
    packages: tuple[str, ...] = ()
    built: tuple[Callable[[], Path], ...] = ()
    validates: bool = False

    @property
    def files(self) -> Path:
        """Give the folder with its configuration."""
        return _HERE / "node" / self.name

    def programs(self) -> Sequence[Path]:
        """Give the folders with its programs, built where the cache has none."""
        return [build() for build in self.built]


def containerd() -> Path:
    """Give the folder with containerd, its shim and ctr."""
    module = _HERE / "containerd"
    return artifact("containerd", key(CONTAINERD, module, Path(__file__)), _build_containerd)


def runc() -> Path:
    """Give the folder with runc, with seccomp, as it needs no library of the node's."""
    return artifact("runc", key(RUNC, _HERE / "runc", Path(__file__)), _build_runc)


RUNTIMES: Final = (
    Runtime("containerd-2.4", built=(containerd, runc), validates=True),
    Runtime("containerd-1.7", packages=("containerd", "runc")),
)
"""The first is what is run where nothing is said."""


def _build_containerd(folder: Path) -> None:
    names = ("containerd", "containerd-shim-runc-v2", "ctr")
    packages = [f"{_CONTAINERD}/cmd/{name}" for name in names]
    linked = f"-X {_CONTAINERD}/version.Version={CONTAINERD}"
    golang.build(_HERE / "containerd", packages, folder, linked=linked)


def _build_runc(folder: Path) -> None:
    package, tags = "github.com/opencontainers/runc", "seccomp netgo osusergo"
    static = "-extldflags -static"
    golang.build(_HERE / "runc", [package], folder, linked=static, tags=tags, cgo=True)
