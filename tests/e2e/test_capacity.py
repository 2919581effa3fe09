"""Sets are counted exactly: what does not fit waits, and what is deleted leaves nothing."""

import json
from collections.abc import Iterator

import pytest

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


def test_what_does_not_fit_runs_when_another_is_deleted_which_leaves_nothing_behind(
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
    assert in_use(lab) == ["cpuset-n0-c2x2", "cpuset-n1-c6x2"]
    workers.delete("second", "third")
    wait_for("no device in use", lambda: in_use(lab) == [], timeout_s=60)
    everywhere = lab.kubectl_json("get", "pods,ciw", "--all-namespaces")["items"]
    assert {one["metadata"]["namespace"] for one in everywhere} == {"numalocal-system"}


@pytest.fixture(scope="module")
def wrong(lab: Lab) -> Iterator[Workers]:
    """Give the worker `big`, whose memory no node has, and `typo`, which serves."""
    made = Workers(lab)
    made.create("big", memory={"perRank": "2Gi"})
    made.create("typo", memory={"perRank": "64Mi"})  # beside the other, which asks for most
    yield made
    made.delete_all()


def test_memory_that_the_node_lacks_is_refused_with_a_sentence(wrong: Workers) -> None:
    refused = wrong.wait_condition("big", "Degraded", "CheckRefused")

    assert refused["status"] == "True"
    assert "rank 0 asks for 2.0 GiB but NUMA node" in refused["message"]
    assert "lower spec.memory.perRank, or use a node with more memory" in refused["message"]
    (placement,) = wrong.status("big")["placements"]
    assert placement["verified"] is False


def test_an_invalid_spec_is_told_and_keeps_what_serves(lab: Lab, wrong: Workers) -> None:
    wrong.wait_ready("typo")
    pod = wrong.pod("typo")["metadata"]["uid"]

    # The schema lets it pass: only the operator knows that a CPU limit is a quota.
    patch = [{"op": "add", "path": "/spec/template/spec/containers/0/resources", "value": {}}]
    patch[0]["value"] = {"limits": {"cpu": "1"}}
    lab.kubectl("patch", "ciw", "typo", "--type=json", "--patch", json.dumps(patch))
    invalid = wrong.wait_condition("typo", "Degraded", "InvalidSpec")

    assert "spec.template.spec.containers[0].resources.limits.cpu" in invalid["message"]
    assert wrong.pod("typo")["metadata"]["uid"] == pod


def test_a_pod_whose_check_refuses_is_kept_while_the_kubelet_tries_again(wrong: Workers) -> None:
    """A hurried controller would make one pod after the other."""
    before = wrong.pod("big")["metadata"]["uid"]

    def tries() -> int:
        (check,) = wrong.pod("big")["status"]["initContainerStatuses"]
        return int(check["restartCount"])

    wait_for("a third try", lambda: tries() >= 2, timeout_s=90)

    after = wrong.pod("big")
    assert after["metadata"]["uid"] == before
    assert "running" not in after["status"]["containerStatuses"][0]["state"]
