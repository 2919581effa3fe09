"""Idle sets are lent to everybody else, and taken back before an engine runs there."""

import re
from threading import Thread

from annotated import SETS, SHARED, Annotated, pod, template
from lab.cluster import Lab
from lab.commands import wait_for
from node_cpus import on
from numalocal.idset import IdSet, union
from workers import Workers

EVERY = SHARED | union(SETS)

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
