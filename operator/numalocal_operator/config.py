"""What the operator is told by its Deployment."""

from collections.abc import Mapping
from dataclasses import dataclass

from numalocal.worker.inject import CheckImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`binder_image` runs in every worker's init container.

    `namespace` limits the operator to one namespace; empty means all.
    """

    binder_image: str = "docker.io/numalocal/binder:0.1.0"
    binder_pull_policy: str = "IfNotPresent"
    namespace: str = ""
    log_level: str = "info"

    @property
    def check(self) -> CheckImage:
        """The image of the check container."""
        return CheckImage(image=self.binder_image, pull_policy=self.binder_pull_policy)


def from_environ(environ: Mapping[str, str]) -> Config:
    """Read the variables that the chart sets; absent or empty ones keep their default."""
    default = Config()

    def read(name: str, otherwise: str) -> str:
        return environ.get(name) or otherwise

    return Config(
        binder_image=read("NUMALOCAL_BINDER_IMAGE", default.binder_image),
        binder_pull_policy=read("NUMALOCAL_BINDER_PULL_POLICY", default.binder_pull_policy),
        namespace=read("NUMALOCAL_NAMESPACE", default.namespace),
        log_level=read("NUMALOCAL_LOG_LEVEL", default.log_level),
    )
