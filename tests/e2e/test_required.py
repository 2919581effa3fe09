"""What a container runtime that validates is for: nothing of ours starts unbound, ever."""

from typing import Any

import pytest

from annotated import SETS
from faults.runtime import agent_away
from faults.workloads import cgroup, kill_container
from lab.cluster import Lab
from lab.commands import LabError, wait_for
from node_cpus import of_pod
from workers import IDLE, Workers

pytestmark = [pytest.mark.validator, pytest.mark.short]

REFUSED = 'required plugin "numalocal" not present'


def container(workers: Workers, name: str, kind: str) -> dict[str, Any]:
    """Give the state of a pod's one container that is an engine or goes before it."""
    found = [
        one
        for one in workers.pod(name)["status"].get(f"{kind}Statuses", ())
        if one["name"] in {"engine", "before"}
    ]
    if len(found) != 1:  # the kubelet has yet to tell of it
        raise LabError(f"worker {name} has {len(found)} {kind}s, one was expected")
    return dict(found[0])


def identity(workers: Workers, name: str, kind: str) -> str:
    return str(container(workers, name, kind)["containerID"]).removeprefix("containerd://")


def told(lab: Lab) -> str:
    (node,) = lab.kubectl_json("get", "nct")["items"]
    return str(node["status"]["requiredPlugins"])


def test_while_the_agent_is_away_no_engine_is_created_first_or_again(
    lab: Lab, workers: Workers
) -> None:
    workers.create("crashes", engine={"name": "openmp"})
    workers.create("starts", engine={"name": "openmp"}, before=IDLE)
    workers.wait_verified("crashes")
    wait_for(
        "the container before the engine",
        lambda: "running" in container(workers, "starts", "initContainer")["state"],
        timeout_s=120,
    )
    engine = identity(workers, "crashes", "container")
    before = identity(workers, "starts", "initContainer")
    pods = {name: workers.pod(name)["metadata"]["uid"] for name in workers.names}

    def refused(name: str) -> bool:
        waiting = container(workers, name, "container")["state"].get("waiting", {})
        return REFUSED in waiting.get("message", "")

    with agent_away(lab):
        kill_container(lab, engine)
        lab.node(f"kill -TERM $(cat {cgroup(before)}/cgroup.procs)")
        for name in pods:
            wait_for(f"the refusal of {name}", lambda name=name: refused(name), timeout_s=120)  # type: ignore[misc]
        assert {name: of_pod(lab, uid) for name, uid in pods.items()} == dict.fromkeys(pods, ())
    for name in pods:
        workers.wait_verified(name)
    wait_for("the node's word of it", lambda: told(lab) == "Enforced", timeout_s=60)

    assert {name: workers.pod(name)["metadata"]["uid"] for name in pods} == pods
    for uid in pods.values():
        (running,) = of_pod(lab, uid)
        assert running.cpus in SETS
        assert running.told_threads
