"""Any process of the node may die while workers run; test_upgrade.py starts ours anew."""

from collections.abc import Callable, Iterator

import pytest

from installed import NAMESPACE, SETS, sets
from lab.cluster import Lab
from lab.commands import wait_for
from workers import Workers


def restart_agent(lab: Lab) -> None:
    lab.kubectl("--namespace", NAMESPACE, "rollout", "restart", "daemonset/numalocal-agent")
    status = ("rollout", "status", "daemonset/numalocal-agent", "--timeout=180s")
    lab.kubectl("--namespace", NAMESPACE, *status, timeout_s=200)


def restart_kubelet(lab: Lab) -> None:
    lab.restart("kubelet")


def restart_containerd(lab: Lab) -> None:
    lab.restart("containerd")


# These two come first: they need free sets, and those below share workers that hold both.
def test_an_offline_core_takes_its_set_away_and_renames_none(lab: Lab, workers: Workers) -> None:
    """Also for an agent that starts while its CPUs are offline, when the kernel hides the core."""
    try:
        lab.node("echo 0 | tee /sys/devices/system/cpu/cpu[67]/online")
        wait_for("one set less", lambda: sets(lab) == "1", timeout_s=60)
        restart_agent(lab)
        wait_for("the set of the other node", lambda: sets(lab) == "1", timeout_s=120)
        workers.create("left")
        status = workers.wait_ready("left")
        agent = ("--namespace", NAMESPACE, "daemonset/numalocal-agent")
        log = lab.kubectl("logs", *agent)
    finally:
        lab.node("echo 1 | tee /sys/devices/system/cpu/cpu[67]/online")

    assert [rank["cpus"] for rank in status["placements"][0]["ranks"]] == ["2-3"]
    assert '"cpuset-n0-c2x2": "2-3"' in log
    assert '"cpuset-n1-c6x2": ""' in log
    wait_for("both sets", lambda: sets(lab) == SETS, timeout_s=60)


def test_a_replica_on_a_node_that_is_lost_has_a_successor_and_serves_when_it_is_back(
    lab: Lab, workers: Workers
) -> None:
    workers.create("lost")
    workers.wait_ready("lost")
    before = workers.pod("lost")["metadata"]
    lab.node("systemctl stop kubelet")
    try:
        lab.kubectl("delete", "pod", before["name"], "--wait=false")
        told = workers.wait_condition("lost", "Degraded", "NodeLost")
        names = {one["metadata"]["name"] for one in workers.pods("lost")}
    finally:
        lab.node("systemctl start kubelet")
    wait_for("one pod again", lambda: len(workers.pods("lost")) == 1, timeout_s=120)
    status = workers.wait_verified("lost")

    assert told["message"].startswith(f"pod {before['name']} has not ended")
    (successor,) = names - {before["name"]}
    assert successor.startswith("lost-0-")
    # Which one serves in the end is not told here: the only node is the one that was lost, and its
    # kubelet may turn the successor away before the agent has registered with it again.
    assert len(status["placements"]) == 1
    look = workers.look("lost")
    assert set(look.thread_cpus) == {look.cgroup_cpus}


@pytest.fixture(scope="module")
def standing(lab: Lab) -> Iterator[Workers]:
    """Give the worker `stays` and another, both of which serve."""
    made = Workers(lab)
    for name in ("stays", "leaves"):
        made.create(name)
    for name in ("stays", "leaves"):
        made.wait_ready(name)
    yield made
    made.delete_all()


@pytest.mark.parametrize("restart", [restart_kubelet, restart_containerd])
def test_workers_live_on_and_no_cpu_is_given_twice(
    restart: Callable[[Lab], None], lab: Lab, standing: Workers
) -> None:
    before = standing.look("stays")
    container = standing.pod("stays")["status"]["containerStatuses"][0]
    leaves = [one for one in standing.names if one != "stays"]
    comes = restart.__name__.replace("_", "-")

    restart(lab)
    wait_for("the node's CPU sets", lambda: sets(lab) == SETS, timeout_s=120)
    standing.delete(*leaves)
    standing.create(comes)
    standing.wait_verified(comes)

    after = standing.pod("stays")["status"]["containerStatuses"][0]
    assert (after["containerID"], after["restartCount"]) == (container["containerID"], 0)
    assert set(standing.look("stays").thread_cpus) == set(before.thread_cpus)
    look = standing.look(comes)
    assert look.cgroup_cpus.isdisjoint(before.cgroup_cpus)
    assert set(look.thread_cpus) == {look.cgroup_cpus}
    assert standing.status(comes)["placements"][0]["verified"] is True
