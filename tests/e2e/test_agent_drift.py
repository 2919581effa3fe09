"""What the agent has bound stays so: cpusets written by hand, CPUs off and on."""

import json
from collections.abc import Iterator

import pytest

from faults.workloads import cgroup
from installed import NAMESPACE, sets
from installed import SETS as OFFERED
from lab.cluster import Lab
from lab.commands import wait_for
from node_cpus import on
from numalocal.idset import IdSet
from workers import Workers

REPAIR_TIMEOUT_S = 40
"""A round of the agent is 10 s; the rest is what emulation costs."""


@pytest.fixture(scope="module")
def bound(lab: Lab) -> Iterator[Workers]:
    """Give a worker `bound` that serves, to all tests here."""
    made = Workers(lab)
    made.create("bound")
    made.wait_ready("bound")
    yield made
    made.delete_all()


def uid(bound: Workers) -> str:
    return str(bound.pod("bound")["metadata"]["uid"])


def engine(bound: Workers) -> str:
    (container,) = bound.pod("bound")["status"]["containerStatuses"]
    return str(container["containerID"]).removeprefix("containerd://")


def repairs(bound: Workers) -> list[dict[str, str]]:
    """Give what the agent has said of each time that it moved the worker, the oldest first."""
    log = bound.lab.kubectl("logs", "--namespace", NAMESPACE, "daemonset/numalocal-agent")
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    pod = f"default/{bound.pod('bound')['metadata']['name']}"
    return [one for one in lines if one["message"] == "corrected" and one["pod"] == pod]


@pytest.mark.parametrize(
    "write",
    [
        "systemctl set-property --runtime cri-containerd-{id}.scope AllowedCPUs=0-7",
        "echo 0-1 > {cgroup}/cpuset.cpus",
    ],
    ids=["by systemd", "in the cgroup"],
)
def test_a_cpuset_written_by_hand_is_repaired(write: str, lab: Lab, bound: Workers) -> None:
    before, pod_uid, identity = bound.look("bound").cgroup_cpus, uid(bound), engine(bound)
    repaired = len(repairs(bound))

    lab.node(write.format(id=identity, cgroup=cgroup(identity)))
    # The agent's word that there was something to repair: it may be quicker than a look from here.
    wait_for("the repair", lambda: len(repairs(bound)) > repaired, timeout_s=REPAIR_TIMEOUT_S)
    wait_for("its own CPUs", on(lab, pod_uid, before), timeout_s=REPAIR_TIMEOUT_S)

    said = repairs(bound)[repaired]
    assert IdSet.parse(said["was"]) != IdSet.parse(said["cpus"]) == before
    assert engine(bound) == identity


def test_an_engine_goes_on_with_what_is_online_of_its_set_and_gets_the_rest_back(
    lab: Lab, bound: Workers
) -> None:
    before, pod_uid = bound.look("bound").cgroup_cpus, uid(bound)
    off = max(before)
    try:
        lab.node(f"echo 0 > /sys/devices/system/cpu/cpu{off}/online")
        left = before - IdSet.of([off])
        wait_for("the half of a core", on(lab, pod_uid, left), timeout_s=30)
    finally:
        lab.node(f"echo 1 > /sys/devices/system/cpu/cpu{off}/online")

    wait_for("the whole set", on(lab, pod_uid, before), timeout_s=REPAIR_TIMEOUT_S)
    wait_for("both sets", lambda: sets(lab) == OFFERED, timeout_s=60)
