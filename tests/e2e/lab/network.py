"""The lab's network: a namespace with a bridge, and one tap per node on it."""

import json
from contextlib import suppress

from lab.commands import LabError, run

NAMESPACE = "numalocal"
CONTROL_PLANE = "10.95.0.1"
NODE = "10.95.0.10"
PREFIX_BITS = 24
PODS = "10.244.0.0/24"
SERVICES = "10.96.0.0/16"
TAP = "nltap0"
ENTER = ("ip", "netns", "exec", NAMESPACE)
"""Put before a command, runs it inside the namespace."""


def exists() -> bool:
    """Tell whether the namespace is there."""
    listed = json.loads(run(["ip", "-json", "netns", "list"]) or "[]")
    return any(one["name"] == NAMESPACE for one in listed)


def create() -> None:
    """Make the namespace, the control plane's address, the tap and the route to the pods."""
    run(["ip", "netns", "add", NAMESPACE])
    for command in (
        "ip link set lo up",
        "ip link add nlbridge type bridge",
        f"ip address add {CONTROL_PLANE}/{PREFIX_BITS} dev nlbridge",
        f"ip tuntap add dev {TAP} mode tap",
        f"ip link set {TAP} master nlbridge",
        f"ip link set {TAP} up",
        "ip link set nlbridge up",
        f"ip route add {PODS} via {NODE}",
    ):
        run([*ENTER, *command.split()])


def remove() -> None:
    """Remove the namespace; its links go with it."""
    with suppress(LabError):
        run(["ip", "netns", "delete", NAMESPACE])
