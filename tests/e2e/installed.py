"""numalocal as helm installs it."""

from pathlib import Path

from lab.cluster import Lab
from lab.commands import wait_for

CHART = Path(__file__).parents[2] / "charts" / "numalocal"
NAMESPACE = "numalocal-system"
SETS = "2"
"""Two nodes of two cores with two threads: one core each stays shared, one is a set."""


def install(lab: Lab) -> None:
    place = ("--namespace", NAMESPACE, "--create-namespace")
    lab.helm("upgrade", "--install", "numalocal", str(CHART), *place, "--wait", "--timeout", "5m")
    wait_for("the node's CPU sets", lambda: sets(lab) not in ("", "0"), timeout_s=120)


def sets(lab: Lab) -> str:
    """Give how many CPU sets the node offers, as the API server says it."""
    allocatable = lab.kubectl_json("get", "nodes")["items"][0]["status"]["allocatable"]
    return str(allocatable.get("numalocal.io/cpuset", ""))
