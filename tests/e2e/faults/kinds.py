"""The kinds of faults: how often each is drawn, and about how long it takes in the lab."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault."""

    name: str
    weight: int
    """How often it is in one round of all kinds."""
    seconds: int
    """About what one costs under emulation, until everything is well again."""


KINDS = (
    Kind("agent-away-engine-crash", 2, 75),
    Kind("agent-away-hostile-pod", 1, 75),
    Kind("agent-away-worker-deleted", 2, 75),
    Kind("agent-delete", 3, 25),
    Kind("agent-freeze", 2, 30),
    Kind("agent-kill", 4, 20),
    Kind("api-server-kill", 2, 30),
    Kind("api-server-stop", 3, 30),
    Kind("checkpoint-lost", 2, 75),
    Kind("containerd-kill", 3, 25),
    Kind("containerd-restart", 3, 20),
    Kind("containerd-stop", 2, 30),
    Kind("cpu-offline", 3, 30),
    Kind("disk-full", 1, 75),
    Kind("drift", 4, 25),
    Kind("engine-crash", 4, 20),
    Kind("force-delete", 4, 40),
    Kind("hostile-pod", 4, 35),
    Kind("killed-while-starting", 4, 45),
    Kind("kubelet-kill", 3, 20),
    Kind("kubelet-restart", 3, 20),
    Kind("kubelet-stop", 2, 30),
    Kind("network-loss", 3, 30),
    Kind("operator-delete", 2, 30),
    Kind("operator-kill", 3, 20),
    Kind("power-cut", 1, 150),
    Kind("reboot", 1, 150),
    Kind("worker-deleted", 3, 40),
)


def named(name: str) -> Kind:
    """Find a kind.

    Raises:
        ValueError: naming every kind that there is.
    """
    for kind in KINDS:
        if kind.name == name:
            return kind
    known = ", ".join(kind.name for kind in KINDS)
    raise ValueError(f"FAULT={name}: no such kind; there are {known}")
