"""What a worker may have beside its pods: a Service and a PodDisruptionBudget.

On a bare machine they mean nothing.
"""

import re
from dataclasses import dataclass
from typing import Final

from numalocal import names
from numalocal.fields import Fields
from numalocal.worker import ports
from numalocal.worker.ports import Port
from numalocal.worker.shares import count_or_share

CLUSTER_IP: Final = "ClusterIP"
HEADLESS: Final = "Headless"
UNHEALTHY: Final = ("AlwaysAllow", "IfHealthyBudget")
_MOST_PODS: Final = (1 << 31) - 1
_SERVICE_NAME: Final = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A Service that leads to a worker's pods; a headless one names each of them instead.

    `unready` tells that pods have addresses in it before they are ready, and after.
    """

    headless: bool
    ports: tuple[Port, ...]
    unready: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How many pods a drain may take or must leave: one of the two, a number or a share.

    `unhealthy` is whether it may always take what is not ready, a PodDisruptionBudget's
    unhealthyPodEvictionPolicy.
    """

    max_unavailable: int | str | None
    min_available: int | str | None
    unhealthy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Companions:
    """What is asked for; None is not."""

    service: Service | None = None
    budget: Budget | None = None


def parse(spec: Fields, name: str) -> Companions:
    """Read what the spec of a worker of a name asks for beside its pods, noting what is wrong."""
    asked = Companions()
    if spec.raw("service") is not None:
        asked = Companions(service=_service(spec.below("service"), spec, name))
    if spec.raw("disruptionBudget") is not None:
        budget = _budget(spec.below("disruptionBudget"))
        asked = Companions(service=asked.service, budget=budget)
    return asked


def _service(fields: Fields, spec: Fields, name: str) -> Service:
    fields.only(("type", "ports", "publishNotReadyAddresses"))
    if names.is_subdomain(name) and not _SERVICE_NAME.fullmatch(name):
        message = (
            f"cannot be had by a worker named {name}: a Service has its worker's name, which must "
            "then begin with a letter and have no '.'"
        )
        fields.problem(None, fields.whole, message)
    headless = fields.choice("type", (CLUSTER_IP, HEADLESS), CLUSTER_IP) == HEADLESS
    found = ports.asked(fields) if fields.raw("ports") else ports.of_template(spec)
    if not found and not headless:
        message = "must list at least one port: no container of the template has any"
        fields.problem("ports", fields.raw("ports"), message)
    return Service(
        headless=headless, ports=tuple(found), unready=fields.flag("publishNotReadyAddresses")
    )


def _budget(fields: Fields) -> Budget:
    fields.only(("maxUnavailable", "minAvailable", "unhealthyPodEvictionPolicy"))
    most = count_or_share(fields, "maxUnavailable", least=0, most=_MOST_PODS)
    least = count_or_share(fields, "minAvailable", least=0, most=_MOST_PODS)
    given = [name for name in ("maxUnavailable", "minAvailable") if fields.raw(name) is not None]
    if len(given) > 1:
        message = "must be left out where minAvailable is given: a budget has one of the two"
        fields.problem("maxUnavailable", fields.raw("maxUnavailable"), message)
    return Budget(
        max_unavailable=most if given else 1,
        min_available=least,
        unhealthy=fields.choice("unhealthyPodEvictionPolicy", UNHEALTHY, UNHEALTHY[0]),
    )
