"""Sets are counted exactly: what does not fit waits, and what is deleted leaves nothing."""

import json
import time

from lab.cluster import Lab
from lab.commands import wait_for
from workers import Workers

# What the kubelet itself says is in use, asked where its socket is mounted.
_IN_USE = r"""
import grpc, json, re
channel = grpc.insecure_channel("unix:///var/lib/kubelet/pod-resources/kubelet.sock")
answer = channel.unary_unary("/v1.PodResourcesLister/List")(b"", timeout=20)
print(json.dumps([one.decode() for one in re.findall(rb"cpuset-n\d+-c\d+x\d+", answer)]))
"""


def in_use(lab: Lab) -> list[str]:
    agent = ("--namespace", "numalocal-system", "daemonset/numalocal-agent")
    found: list[str] = json.loads(lab.kubectl("exec", *agent, "--", "python3", "-c", _IN_USE))
    return sorted(found)


def test_a_worker_that_does_not_fit_waits_and_runs_when_one_is_deleted(
    lab: Lab, workers: Workers
) -> None:
    for name in ("first", "second"):
        workers.create(name)
    for name in ("first", "second"):
        workers.wait_ready(name)
    first, second = workers.look("first"), workers.look("second")

    workers.create("third")
    waiting = workers.wait_condition("third", "Reconciling", "Unschedulable")

    assert first.cgroup_cpus.isdisjoint(second.cgroup_cpus)
    assert first.cgroup_mems.isdisjoint(second.cgroup_mems)
    assert "Insufficient numalocal.io/cpuset" in waiting["message"]
    assert workers.pod("third")["status"]["phase"] == "Pending"
    assert workers.condition("third", "Degraded")["status"] == "False"

    workers.delete("first")
    workers.wait_ready("third")

    assert workers.look("third").cgroup_cpus == first.cgroup_cpus


def test_a_deleted_worker_leaves_nothing_behind(lab: Lab, workers: Workers) -> None:
    workers.create("gone", ranks=2)
    workers.wait_ready("gone")
    assert in_use(lab) == ["cpuset-n0-c2x2", "cpuset-n1-c6x2"]

    workers.delete("gone")

    wait_for("no device in use", lambda: in_use(lab) == [], timeout_s=60)
    everywhere = lab.kubectl_json("get", "pods,ciw", "--all-namespaces")["items"]
    assert {one["metadata"]["namespace"] for one in everywhere} == {"numalocal-system"}


def test_memory_that_the_node_lacks_is_refused_with_a_sentence(lab: Lab, workers: Workers) -> None:
    workers.create("big", memory={"perRank": "2Gi"})

    refused = workers.wait_condition("big", "Degraded", "CheckRefused")

    assert refused["status"] == "True"
    assert "rank 0 asks for 2.0 GiB but NUMA node" in refused["message"]
    assert "lower spec.memory.perRank, or use a node with more memory" in refused["message"]
    (placement,) = workers.status("big")["placements"]
    assert placement["verified"] is False
    before = workers.pod("big")
    time.sleep(15)  # long enough for a hurried controller to show itself
    after = workers.pod("big")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert "running" not in after["status"]["containerStatuses"][0]["state"]
    (check,) = after["status"]["initContainerStatuses"]
    assert check["restartCount"] <= 3


def test_an_invalid_spec_is_told_and_keeps_what_serves(lab: Lab, workers: Workers) -> None:
    workers.create("typo")
    workers.wait_ready("typo")
    pod = workers.pod("typo")["metadata"]["uid"]

    # The schema lets it pass: only the operator knows that a CPU limit is a quota.
    patch = [{"op": "add", "path": "/spec/template/spec/containers/0/resources", "value": {}}]
    patch[0]["value"] = {"limits": {"cpu": "1"}}
    lab.kubectl("patch", "ciw", "typo", "--type=json", "--patch", json.dumps(patch))
    invalid = workers.wait_condition("typo", "Degraded", "InvalidSpec")

    assert "spec.template.spec.containers[0].resources.limits.cpu" in invalid["message"]
    assert workers.pod("typo")["metadata"]["uid"] == pod
