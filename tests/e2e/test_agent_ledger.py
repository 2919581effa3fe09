"""No CPU is given twice, whatever the kubelet believes and whenever the agent dies."""

import time
from random import Random

import pytest

from annotated import SETS
from faults.runtime import agent_away, kill_component
from faults.workloads import kill_container
from installed import SETS as OFFERED
from installed import sets
from lab.cluster import Lab
from lab.commands import wait_for
from node_cpus import of_pod, watching
from validating import validator_off
from workers import Workers

SEED = 20


def test_a_pod_deleted_by_force_holds_its_set_until_its_last_process(
    lab: Lab, workers: Workers
) -> None:
    """`sleep` as process 1 ignores SIGTERM; the kubelet counts its device as free at once."""
    workers.create("other")
    workers.create("stubborn", command=("sleep", "infinity"), grace_s=20)
    workers.wait_ready("other")
    workers.wait_verified("stubborn")
    old = workers.pod("stubborn")
    name, uid = old["metadata"]["name"], old["metadata"]["uid"]

    with watching(lab) as watch:
        lab.kubectl("delete", "pod", name, "--force", "--grace-period=0", "--wait=false")
        wait_for(
            "another pod", lambda: workers.pod("stubborn")["metadata"]["uid"] != uid, timeout_s=60
        )
        wait_for("the end of the old pod", lambda: not of_pod(lab, uid), timeout_s=120)
        workers.wait_verified("stubborn")

    assert watch.times_seen(uid)
    assert watch.given_twice() == set()
    assert workers.look("stubborn").cgroup_cpus in SETS
    assert workers.status("stubborn")["placements"][0]["verified"] is True


@pytest.mark.short
def test_an_engine_that_started_anew_while_the_agent_was_away_is_replaced(
    lab: Lab, workers: Workers
) -> None:
    """Its variables are lost for good, so no status may call it verified.

    With a validator it does not start at all: see test_required.py.
    """
    workers.create("crashed", engine={"name": "openmp"})
    workers.wait_verified("crashed")
    before = workers.pod("crashed")
    verified: list[str] = []

    def told() -> bool:
        return any(one["verified"] for one in workers.status("crashed").get("placements", ()))

    def container() -> str:
        pods = workers.pods("crashed")
        statuses = [one for each in pods for one in each["status"].get("containerStatuses", ())]
        running = [one["containerID"] for one in statuses if "running" in one["state"]]
        if running and told():
            verified.append(running[0])
        return running[0] if running else ""

    first = container()
    with validator_off(lab), agent_away(lab):
        kill_container(lab, first.removeprefix("containerd://"))
        wait_for("a new engine", lambda: container() not in {"", first}, timeout_s=90)
        wait_for("a status of it", lambda: not told(), timeout_s=60)
        verified.clear()
        unbound = container()

    def replaced() -> bool:
        container()
        return bool(workers.pod("crashed")["metadata"]["uid"] != before["metadata"]["uid"])

    wait_for("another pod", replaced, timeout_s=180)
    workers.wait_verified("crashed")

    assert unbound not in verified
    chosen = "--field-selector=involvedObject.name=crashed,reason=StartedUnbound"
    wait_for("the event", lambda: lab.kubectl_json("get", "events", chosen)["items"], timeout_s=30)
    (engine,) = of_pod(lab, workers.pod("crashed")["metadata"]["uid"])
    assert engine.told_threads
    assert engine.cpus in SETS


def test_workers_made_while_the_agent_is_killed_again_and_again_are_bound(
    lab: Lab, workers: Workers
) -> None:
    random = Random(SEED)
    for name in ("one", "two"):
        workers.create(name, engine={"name": "openmp"})

    with watching(lab) as watch:
        for _ in range(2):
            time.sleep(random.uniform(0, 8))
            kill_component("agent")(lab, random)
        wait_for("the node's CPU sets", lambda: sets(lab) == OFFERED, timeout_s=240)
        for name in ("one", "two"):
            workers.wait_verified(name)

    assert {workers.look(name).cgroup_cpus for name in ("one", "two")} == set(SETS)
    assert watch.given_twice() == set()
