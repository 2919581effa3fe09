"""The node's object on the lab: who holds what, and how its engine was started."""

from typing import Any

from installed import NAMESPACE, SETS, sets
from lab.cluster import Lab
from lab.commands import wait_for
from workers import Workers

NODE = "numalocal-0"
RANGES = {"2-3": 0, "6-7": 1}


def topology(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = lab.kubectl_json("get", "nodecputopology", NODE)
    return found


def held(lab: Lab) -> list[dict[str, Any]]:
    return [one for one in topology(lab)["status"]["sets"] if one["state"] == "Held"]


def test_the_nodes_object_says_who_holds_which_set(lab: Lab, workers: Workers) -> None:
    workers.create("held")
    workers.wait_verified("held")
    pod = workers.pod("held")
    (container,) = pod["status"]["containerStatuses"]

    found = topology(lab)
    (one,) = held(lab)

    node = lab.kubectl_json("get", "node", NODE)["metadata"]
    assert [owner["uid"] for owner in found["metadata"]["ownerReferences"]] == [node["uid"]]
    assert found["status"]["machine"] | {"memoryBytes": 0, "online": "", "lent": ""} == {
        "architecture": "x86_64",
        "packages": 2,
        "numaNodes": 2,
        "cores": 4,
        "cpus": 8,
        "shared": "0-1,4-5",
        "memoryBytes": 0,
        "online": "",
        "lent": "",
    }
    assert found["status"]["counts"] == {
        "sets": 2,
        "held": 1,
        "free": 1,
        "unavailable": 0,
        "refusals": 0,
    }
    assert one["numaNode"] == RANGES[one["cpus"]]
    assert one["owner"] == {
        "namespace": pod["metadata"]["namespace"],
        "pod": "held-0",
        "uid": pod["metadata"]["uid"],
        "container": "engine",
        "containerID": container["containerID"].removeprefix("containerd://"),
        "rank": 0,
        "started": "Bound",
        "memory": {"nodes": str(one["numaNode"]), "policy": "Bind", "overflowed": False},
    }
    workers.delete("held")
    wait_for("the set free again", lambda: not held(lab), timeout_s=60)


def test_the_object_comes_back_when_somebody_has_deleted_it_and_the_agent_starts(
    lab: Lab,
) -> None:
    before = topology(lab)["metadata"]["uid"]
    lab.kubectl("delete", "nodecputopology", NODE)
    agent = ("--namespace", NAMESPACE, "daemonset/numalocal-agent")
    lab.kubectl("rollout", "restart", *agent)

    def made() -> bool:
        listed = lab.kubectl_json("get", "nodecputopologies")["items"]
        return any(one["metadata"]["uid"] != before and "status" in one for one in listed)

    wait_for("another object", made, timeout_s=180)
    # Whoever wrote it, the next test is to find the agent that stays.
    lab.kubectl("rollout", "status", *agent, "--timeout=180s", timeout_s=200)
    wait_for("the node's CPU sets", lambda: sets(lab) == SETS, timeout_s=120)
