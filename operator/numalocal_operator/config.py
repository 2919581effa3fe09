"""What the operator is told by its Deployment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from numalocal.errors import NumalocalError
from numalocal.problems import clipped
from numalocal.worker.inject import CheckImage

_HIGHEST_PORT: Final = 65535


class ConfigInvalid(NumalocalError):
    """A variable that this process was given has a value of no sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where the webhook's things are: its Service, its Secret, and what tells the API server of it.

    `managed` tells that cert-manager fills the Secret and tells the API server.
    """

    namespace: str
    service: str
    secret: str
    configuration: str
    managed: bool

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names by which the API server calls the Service."""
        return tuple(f"{self.service}.{self.namespace}.svc{end}" for end in ("", ".cluster.local"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an object is."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where this process is asked: an empty address means all, port 0 a free one."""

    address: str = ""
    health_port: int = 8080
    webhook_port: int = 9443


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`binder_image` runs in every worker's init container.

    `namespace` limits the operator to one namespace; empty means all.  `webhook` None = none.
    Replicas that have one Lease are one operator.
    """

    binder_image: str = "docker.io/numalocal/binder:0.1.0"
    binder_pull_policy: str = "IfNotPresent"
    namespace: str = ""
    log_level: str = "info"
    lease: Place = Place(namespace="default", name="numalocal-operator")
    listening: Listening = Listening()
    webhook: Webhook | None = None

    @property
    def check(self) -> CheckImage:
        """The image of the check container."""
        return CheckImage(image=self.binder_image, pull_policy=self.binder_pull_policy)


def from_environ(environ: Mapping[str, str]) -> Config:
    """Read the variables that the chart sets; absent or empty ones keep their default.

    Raises:
        ConfigInvalid: with the variable and its value.
    """
    default = Config()

    def read(name: str, otherwise: str) -> str:
        return environ.get(name) or otherwise

    return Config(
        binder_image=read("NUMALOCAL_BINDER_IMAGE", default.binder_image),
        binder_pull_policy=read("NUMALOCAL_BINDER_PULL_POLICY", default.binder_pull_policy),
        namespace=read("NUMALOCAL_NAMESPACE", default.namespace),
        log_level=read("NUMALOCAL_LOG_LEVEL", default.log_level),
        lease=Place(
            namespace=read("NUMALOCAL_LEASE_NAMESPACE", default.lease.namespace),
            name=read("NUMALOCAL_LEASE", default.lease.name),
        ),
        listening=_listening(environ),
        webhook=_webhook(environ),
    )


def _listening(environ: Mapping[str, str]) -> Listening:
    """Read where to listen.

    No name may end in _PORT: for a Service of the release the kubelet sets NUMALOCAL_WEBHOOK_PORT.
    """
    default = Listening()
    return Listening(
        address=environ.get("NUMALOCAL_LISTEN_ADDRESS") or default.address,
        health_port=_port(environ, "NUMALOCAL_LISTEN_HEALTH", default.health_port),
        webhook_port=_port(environ, "NUMALOCAL_LISTEN_WEBHOOK", default.webhook_port),
    )


def _port(environ: Mapping[str, str], name: str, otherwise: int) -> int:
    text = environ.get(name) or str(otherwise)
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(_HIGHEST_PORT))
    if not is_number or int(text) > _HIGHEST_PORT:
        raise ConfigInvalid(f"{name}: {clipped(repr(text), 100)} must be a port, 0 to 65535")
    return int(text)


def _webhook(environ: Mapping[str, str]) -> Webhook | None:
    """Read the webhook's variables: all or none are set."""
    service = environ.get("NUMALOCAL_WEBHOOK_SERVICE")
    if not service:
        return None
    return Webhook(
        namespace=environ["NUMALOCAL_WEBHOOK_NAMESPACE"],
        service=service,
        secret=environ["NUMALOCAL_WEBHOOK_SECRET"],
        configuration=environ["NUMALOCAL_WEBHOOK_CONFIGURATION"],
        managed=environ.get("NUMALOCAL_WEBHOOK_CERTIFICATE") == "cert-manager",
    )
