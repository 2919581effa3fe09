"""The validator of the node's container runtime, which creates nothing while the agent is away."""

from collections.abc import Iterator
from contextlib import contextmanager

from installed import SETS, sets
from lab.cluster import Lab
from lab.commands import wait_for

_CONFIG = "/etc/containerd/config.toml"
_SECTION = "/default_validator/,$"


@contextmanager
def validator_off(lab: Lab) -> Iterator[None]:
    """Have a runtime without the validator, as containerd 1.7 always is."""
    if "default_validator" not in lab.node(f"cat {_CONFIG}"):
        yield
        return
    _set(lab, "true", "false")
    try:
        yield
    finally:
        _set(lab, "false", "true")


def _set(lab: Lab, was: str, now: str) -> None:
    lab.node(f"sed -i '{_SECTION}s/enable = {was}/enable = {now}/' {_CONFIG}")
    lab.restart("containerd")
    wait_for("the node's CPU sets", lambda: sets(lab) == SETS, timeout_s=120)
