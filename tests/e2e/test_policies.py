"""A memory policy is the runtime's to set: where it can it does, else nothing is started."""

import os

import pytest

from lab.choices import chosen
from lab.cluster import Lab
from workers import DECODE, Workers

pytestmark = pytest.mark.short

MEMORY = {"perRank": "128Mi", "policy": "Interleave", "nodes": "Any"}


def test_a_policy_is_had_or_refused_before_there_is_a_pod(lab: Lab, workers: Workers) -> None:
    (node,) = lab.kubectl_json("get", "nodecputopologies")["items"]
    told = node["status"]["memory"]
    workers.create("turns", command=DECODE, seccomp="RuntimeDefault", memory=MEMORY)

    if chosen(os.environ).runtime.name == "containerd-1.7":
        refused = workers.wait_condition("turns", "Degraded", "NoNodeFits")
        assert told["policies"] == ["Bind"]
        assert "containerd '1.7." in told["message"]
        assert told["message"] in refused["message"]
        assert workers.pods("turns") == []
        return
    workers.wait_verified("turns")
    workers.wait_log("turns", r"tokens_per_s=")
    on = workers.look("turns").bytes_on_node
    assert on[0] == pytest.approx(on[1], rel=0.1)
    assert told["policies"] == ["Bind", "Preferred", "Interleave", "WeightedInterleave"]
