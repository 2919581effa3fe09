"""Ranks of one replica: a set of its own for each, on NUMA nodes of their own."""

import re

import pytest

from workers import DECODE, Workers

pytestmark = pytest.mark.short


def test_two_ranks_get_a_set_on_each_node_and_a_list_each(workers: Workers) -> None:
    workers.create(
        "two",
        command=("numalocal-bind", "run", "--", *DECODE),
        env={"OMP_DISPLAY_AFFINITY": "true"},
        ranks=2,
        engine={"name": "openmp"},
        memory={"perRank": "64Mi"},
    )
    status = workers.wait_verified("two")
    log = workers.wait_log("two", r"affinity \d+[^$]*affinity \d+")
    look = workers.look("two")

    (placement,) = status["placements"]
    assert [(rank["cpus"], rank["numaNode"]) for rank in placement["ranks"]] == [
        ("2-3", 0),
        ("6-7", 1),
    ]
    assert placement["verified"] is True
    assert sorted(re.findall(r"(\[rank \d\]).*affinity (\S+)", log)) == [
        ("[rank 0]", "3"),
        ("[rank 1]", "7"),
    ]
    assert {str(cpus) for cpus in look.thread_cpus} == {"3", "7", "2-3,6-7"}  # and the binder
    assert all(look.bytes_on_node[node] >= 32 << 20 for node in (0, 1))
