"""What the agent has bound stays so: cpusets written by hand, CPUs off and on, idle sets lent."""

import re
from collections.abc import Iterator
from threading import Thread

import pytest

from annotated import SETS, SHARED, Annotated, pod, template
from faults.workloads import cgroup
from installed import SETS as OFFERED
from installed import sets
from lab.cluster import Lab
from lab.commands import wait_for
from node_cpus import cpus_of, on
from numalocal.idset import IdSet, union
from workers import Workers

EVERY = SHARED | union(SETS)
REPAIR_TIMEOUT_S = 40
"""A round of the agent is 10 s; the rest is what emulation costs."""


@pytest.fixture
def annotated(lab: Lab) -> Iterator[Annotated]:
    made = Annotated(lab)
    yield made
    made.delete_all()


def uid(workers: Workers, name: str) -> str:
    return str(workers.pod(name)["metadata"]["uid"])


def engine(workers: Workers, name: str) -> str:
    (container,) = workers.pod(name)["status"]["containerStatuses"]
    return str(container["containerID"]).removeprefix("containerd://")


@pytest.mark.parametrize(
    "write",
    [
        "systemctl set-property --runtime cri-containerd-{id}.scope AllowedCPUs=0-7",
        "echo 0-1 > {cgroup}/cpuset.cpus",
    ],
    ids=["by systemd", "in the cgroup"],
)
def test_a_cpuset_written_by_hand_is_repaired(write: str, lab: Lab, workers: Workers) -> None:
    workers.create("drifts")
    workers.wait_ready("drifts")
    before, pod_uid = workers.look("drifts").cgroup_cpus, uid(workers, "drifts")
    identity = engine(workers, "drifts")

    lab.node(write.format(id=identity, cgroup=cgroup(identity)))
    moved = cpus_of(lab, pod_uid)
    wait_for("the repair", on(lab, pod_uid, before), timeout_s=REPAIR_TIMEOUT_S)

    assert moved != before
    assert engine(workers, "drifts") == identity


def test_an_engine_goes_on_with_what_is_online_of_its_set_and_gets_the_rest_back(
    lab: Lab, workers: Workers
) -> None:
    workers.create("half")
    workers.wait_ready("half")
    before, pod_uid = workers.look("half").cgroup_cpus, uid(workers, "half")
    off = max(before)
    try:
        lab.node(f"echo 0 > /sys/devices/system/cpu/cpu{off}/online")
        left = before - IdSet.of([off])
        wait_for("the half of a core", on(lab, pod_uid, left), timeout_s=30)
    finally:
        lab.node(f"echo 1 > /sys/devices/system/cpu/cpu{off}/online")

    wait_for("the whole set", on(lab, pod_uid, before), timeout_s=REPAIR_TIMEOUT_S)
    wait_for("both sets", lambda: sets(lab) == OFFERED, timeout_s=60)


# One line for each moment at which an engine's processes and an ordinary pod could use one CPU.
_COLLISIONS = """
cd /sys/fs/cgroup/kubepods.slice
ordinary=$(echo */*{ordinary}*.slice/cri-containerd-{container}.scope)
while [ ! -e /run/seen-enough ]; do
    for scope in */*pod*.slice/cri-containerd-*.scope; do
        read -r cpus <"$scope/cpuset.cpus.effective" || continue
        case $cpus in 2-3|6-7) ;; *) continue ;; esac
        read -r pid <"$scope/cgroup.procs" || continue
        read -r lent <"$ordinary/cpuset.cpus.effective"
        read -r still <"$scope/cpuset.cpus.effective" || continue
        echo "$cpus $lent"
    done
done 2>/dev/null | sort | uniq -c
"""


def test_idle_sets_are_lent_and_taken_back_before_a_workers_first_instruction(
    lab: Lab, annotated: Annotated, workers: Workers
) -> None:
    annotated.create(pod("busy", template("busy", asks={})))
    wait_for("the ordinary pod", lambda: running(annotated), timeout_s=90)
    (busy,) = annotated.pods("busy")
    pod_uid = busy["metadata"]["uid"]
    (status,) = busy["status"]["containerStatuses"]
    wait_for("all idle CPUs", on(lab, pod_uid, EVERY), timeout_s=60)
    script = _COLLISIONS.format(
        ordinary=pod_uid.replace("-", "_"),
        container=status["containerID"].removeprefix("containerd://"),
    )
    said: list[str] = []
    beside = Thread(target=lambda: said.append(lab.node(script, timeout_s=300)))

    beside.start()
    try:
        workers.create("one")
        workers.wait_ready("one")
        held = workers.look("one").cgroup_cpus
    finally:
        lab.node("touch /run/seen-enough")
        beside.join()
        lab.node("rm /run/seen-enough")

    seen = re.findall(r"^ *\d+ (\S+) (\S+)$", said[0], re.MULTILINE)
    assert seen, "no moment of the worker was seen"
    assert [one for one in seen if IdSet.parse(one[0]) & IdSet.parse(one[1])] == []
    wait_for("what is still idle", on(lab, pod_uid, EVERY - held), timeout_s=60)
    workers.delete("one")
    wait_for("all idle CPUs again", on(lab, pod_uid, EVERY), timeout_s=60)


def running(annotated: Annotated) -> bool:
    return any(one["status"]["phase"] == "Running" for one in annotated.pods("busy"))
