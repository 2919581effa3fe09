"""Memory policies that the runtime sets, without privilege: where a container's pages are.

Judged by the node's kernel, in a namespace that lets pods do no more than `restricted`, under the
runtime's seccomp profile.  The machine has nodes 0 and 1 in one package, node 2 in the other, and
node 3 beside the first, of memory alone.
"""

from collections.abc import Iterator, Mapping

import pytest

from annotated import Annotated, container, pod, template
from lab.cluster import Lab
from lab.commands import wait_for
from numalocal.idset import IdSet
from workers import Look, Workers

pytestmark = pytest.mark.shape("memory-only")

TIER = 3
ALL = IdSet.parse("0-3")
FILLED = ("numalocal-decode", "--weights", "256Mi", "--seconds", "0")
PER_RANK = "320Mi"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
LEVEL = "pod-security.kubernetes.io/enforce"
WEIGHTS = "/sys/kernel/mm/mempolicy/weighted_interleave"


@pytest.fixture(scope="module", autouse=True)
def restricted(lab: Lab) -> Iterator[None]:
    lab.kubectl("label", "namespace", "default", f"{LEVEL}=restricted", "--overwrite")
    yield
    lab.kubectl("label", "namespace", "default", f"{LEVEL}-")


@pytest.fixture(scope="module")
def beside(lab: Lab) -> Iterator[Workers]:
    """Hold the one set that has no memory-only node near it: others are on node 0 or 1."""
    made = Workers(lab)
    made.create("any", command=FILLED, security=RESTRICTED, memory=asked("Interleave", "Any"))
    made.wait_verified("any")
    yield made
    made.delete_all()


def asked(policy: str, nodes: str, **more: str) -> dict[str, str]:
    return {"perRank": PER_RANK, "policy": policy, "nodes": nodes, **more}


def shares(look: Look) -> Mapping[int, float]:
    """Give the part of a container's private memory on each node."""
    total = sum(look.bytes_on_node.values())
    assert total >= 256 << 20
    return {node: size / total for node, size in look.bytes_on_node.items()}


def filled(workers: Workers, name: str) -> tuple[int, Look]:
    """Wait until an engine has touched its memory; give its own NUMA node, and the node's word."""
    workers.wait_verified(name)
    workers.wait_log(name, r"tokens_per_s=")
    (rank,) = workers.status(name)["placements"][0]["ranks"]
    return rank["numaNode"], workers.look(name)


def test_what_the_node_can_is_told_before_anything_runs(lab: Lab) -> None:
    (node,) = lab.kubectl_json("get", "nodecputopologies")["items"]

    told = node["status"]["memory"]
    assert told["policies"] == ["Bind", "Preferred", "Interleave", "WeightedInterleave"]
    (reach,) = [one["reachBytes"] for one in node["status"]["pools"]]
    assert 0 < reach["Local"] < reach["Near"] < reach["Any"]


def test_pages_are_interleaved_over_every_node_from_the_first_one_on(beside: Workers) -> None:
    own, look = filled(beside, "any")

    assert own == 2
    assert look.cgroup_mems == ALL
    assert shares(look) == pytest.approx(dict.fromkeys(ALL, 0.25), abs=0.02)


@pytest.mark.usefixtures("beside")
def test_weights_of_three_to_one_put_three_pages_here_and_one_there(
    lab: Lab, workers: Workers
) -> None:
    lab.node(f"for node in 0 1 2; do echo 3 >{WEIGHTS}/node$node; done; echo 1 >{WEIGHTS}/node3")
    memory = asked("WeightedInterleave", "Near")
    workers.create("weighted", command=FILLED, security=RESTRICTED, memory=memory)
    own, look = filled(workers, "weighted")

    assert own in (0, 1)
    assert look.cgroup_mems == IdSet.of([own, TIER])
    assert shares(look) == pytest.approx({own: 0.75, TIER: 0.25}, abs=0.02)


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize(
    ("policy", "nodes", "first"),
    [("Bind", "Near", "own"), ("Bind", "MemoryOnly", "tier"), ("Preferred", "MemoryOnly", "tier")],
)
def test_a_tier_is_overflow_or_alone_or_first(
    workers: Workers, policy: str, nodes: str, first: str
) -> None:
    name = f"{policy}-{nodes}".lower()
    workers.create(name, command=FILLED, security=RESTRICTED, memory=asked(policy, nodes))
    own, look = filled(workers, name)

    assert own in (0, 1)
    mems = {"Near": IdSet.of([own, TIER]), "MemoryOnly": IdSet.of([TIER])}
    assert look.cgroup_mems == (ALL if policy == "Preferred" else mems[nodes])
    assert shares(look)[own if first == "own" else TIER] > 0.99
    told = workers.status(name)["placements"][0]["memory"]
    assert told["nodes"] == str(mems[nodes])


@pytest.mark.usefixtures("beside")
def test_two_ranks_share_the_nodes_of_both(workers: Workers) -> None:
    memory = {"perRank": "192Mi", "policy": "Interleave"}
    workers.create("ranks", command=FILLED, security=RESTRICTED, ranks=2, memory=memory)
    workers.wait_verified("ranks")
    workers.wait_log("ranks", r"tokens_per_s=")

    look = workers.look("ranks")
    assert look.cgroup_mems == IdSet.parse("0-1")
    assert shares(look) == pytest.approx({0: 0.5, 1: 0.5}, abs=0.02)


@pytest.mark.usefixtures("beside")
def test_any_pod_says_the_same_by_annotations(lab: Lab, annotated: Annotated) -> None:
    asks = {
        "numalocal.io/cpusets": "1",
        "numalocal.io/memory": PER_RANK,
        "numalocal.io/memory-policy": "Interleave",
        "numalocal.io/memory-nodes": "Package",
    }
    engine = container(command=list(FILLED), securityContext=RESTRICTED)
    annotated.create(pod("plain", template("plain", engine, asks=asks)))
    annotated.wait_bound("plain")
    wait_for("tokens", lambda: "tokens_per_s=" in lab.kubectl("logs", "plain"), timeout_s=120)
    look = annotated.look("plain")

    package = IdSet.parse("0-1,3")
    assert look.cgroup_mems == package
    assert shares(look) == pytest.approx(dict.fromkeys(package, 1 / 3), abs=0.02)


def test_what_no_node_holds_is_interleaved_where_that_is_asked_for_and_refused_where_not(
    workers: Workers, beside: Workers
) -> None:
    beside.delete_all()
    large = {"perRank": "1300Mi"}
    workers.create("refused", command=FILLED, security=RESTRICTED, memory=large)
    refused = workers.wait_condition("refused", "Degraded", "CheckRefused")
    assert "1.3 GiB" in refused["message"]
    workers.delete("refused")

    memory = {**large, "onOverflow": "Interleave"}
    workers.create("large", command=FILLED, security=RESTRICTED, memory=memory)
    own, look = filled(workers, "large")
    (placement,) = workers.status("large")["placements"]

    assert own in look.cgroup_mems
    assert len(look.cgroup_mems) > 1
    even = 1 / len(look.cgroup_mems)
    assert shares(look) == pytest.approx(dict.fromkeys(look.cgroup_mems, even), abs=0.02)
    # What that costs is measured where emulation leaves the time for it.
    told = placement["memory"]["overflow"]["message"]
    assert f"pages are interleaved over NUMA nodes {look.cgroup_mems}" in told
