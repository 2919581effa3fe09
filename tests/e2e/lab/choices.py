"""What a lab is of: its versions and its machine, each by a variable."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from lab.binaries import RELEASES
from lab.commands import LabError
from lab.runtimes import RUNTIMES, Runtime
from lab.shape import SHAPES, Shape

T = TypeVar("T")

_RUNTIMES: Final = {one.name: one for one in RUNTIMES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """A version of Kubernetes, a container runtime, and the machine of the node."""

    kubernetes: str
    runtime: Runtime
    shape: Shape

    @property
    def release(self) -> str:
        """Give the version of Kubernetes in full."""
        return RELEASES[self.kubernetes]


def chosen(environ: Mapping[str, str]) -> Choices:
    """Read the variables; what is not said is the first of its kind.

    Raises:
        LabError: where one names nothing that there is.
    """
    return Choices(
        kubernetes=_one(environ, "NUMALOCAL_LAB_KUBERNETES", {name: name for name in RELEASES}),
        runtime=_one(environ, "NUMALOCAL_LAB_RUNTIME", _RUNTIMES),
        shape=_one(environ, "NUMALOCAL_LAB_SHAPE", SHAPES),
    )


def _one(environ: Mapping[str, str], variable: str, known: Mapping[str, T]) -> T:
    name = environ.get(variable) or next(iter(known))
    if name not in known:
        raise LabError(f"{variable}: {name!r} is none of {', '.join(known)}")
    return known[name]
