"""Machines of one node and of eight: what the node's object shows of them, and ranks on them."""

from collections.abc import Mapping

import pytest

from lab.cluster import Lab
from numalocal.idset import IdSet
from workers import Workers

FILLED = ("numalocal-decode", "--weights", "128Mi", "--seconds", "0")
PER_RANK = "160Mi"


def shown(lab: Lab) -> tuple[Mapping[str, int], set[int]]:
    """Give the machine in short and the sets' nodes; sets and shared CPUs are all CPUs."""
    (node,) = lab.kubectl_json("get", "nodecputopologies")["items"]
    machine, sets = node["status"]["machine"], node["status"]["sets"]
    rest = IdSet.parse(machine["shared"])
    of_sets = [cpu for one in sets for cpu in IdSet.parse(one["cpus"])]
    assert sorted([*of_sets, *rest]) == list(range(machine["cpus"]))
    assert len(rest) > 0
    short = {name: machine[name] for name in ("packages", "numaNodes", "cores", "cpus")}
    return short, {one["numaNode"] for one in sets}


@pytest.mark.shape("eight")
def test_four_ranks_on_a_machine_of_eight_nodes_have_the_four_of_one_package(
    lab: Lab, workers: Workers
) -> None:
    machine = {"packages": 2, "numaNodes": 8, "cores": 16, "cpus": 16}
    assert shown(lab) == (machine, set(range(8)))

    run = ("numalocal-bind", "run", "--", "numalocal-decode", "--weights", "64Mi", "--seconds", "0")
    workers.create("four", command=run, ranks=4, memory={"perRank": "80Mi"})
    (placement,) = workers.wait_verified("four")["placements"]
    each = "".join(rf"(?=.*\[rank {rank}\][^\n]*tokens_per_s=)" for rank in range(4))
    workers.wait_log("four", rf"(?s)^{each}")
    look = workers.look("four")

    nodes = [rank["numaNode"] for rank in placement["ranks"]]
    assert set(nodes) in ({0, 1, 2, 3}, {4, 5, 6, 7})
    assert str(look.cgroup_mems) == placement["memory"]["nodes"]
    assert look.local_share > 0.99
    assert all(look.bytes_on_node[node] >= 64 << 20 for node in nodes)


@pytest.mark.shape("eight")
def test_memory_of_a_package_of_four_nodes_is_a_quarter_on_each(workers: Workers) -> None:
    memory = {"perRank": PER_RANK, "policy": "Interleave", "nodes": "Package"}
    workers.create("package", command=FILLED, memory=memory)
    (placement,) = workers.wait_verified("package")["placements"]
    workers.wait_log("package", r"tokens_per_s=")
    look = workers.look("package")

    nodes = IdSet.parse(placement["memory"]["nodes"])
    total = sum(look.bytes_on_node.values())
    assert (len(nodes), placement["memory"]["policy"]) == (4, "Interleave")
    assert placement["ranks"][0]["numaNode"] in nodes
    for node in nodes:
        assert look.bytes_on_node[node] / total == pytest.approx(0.25, abs=0.02)


@pytest.mark.shape("one")
def test_a_machine_of_one_node_has_sets_and_nothing_to_interleave(
    lab: Lab, workers: Workers
) -> None:
    machine = {"packages": 1, "numaNodes": 1, "cores": 4, "cpus": 8}
    assert shown(lab) == (machine, {0})

    memory = {"perRank": PER_RANK, "policy": "Interleave", "nodes": "Any"}
    workers.create("one", command=FILLED, memory=memory)
    told = workers.wait_verified("one")
    workers.wait_log("one", r"tokens_per_s=")
    look = workers.look("one")

    (placement,) = told["placements"]
    assert placement["memory"] == {"nodes": "0", "policy": "Bind"}
    assert set(look.bytes_on_node) == {0}
    assert str(look.cgroup_cpus) == placement["ranks"][0]["cpus"]
