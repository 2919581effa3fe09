from dataclasses import replace

import pytest

from numalocal.host.observation import Observation
from numalocal.host.verdict import Outcome, local_share, problems
from numalocal.idset import IdSet
from numalocal.report import CheckReport
from numalocal.sets.assignment import Assignment
from numalocal.sets.cpusets import CpuSet

ASSIGNMENT = Assignment.of(
    [
        CpuSet(
            id="a",
            pool="p",
            cpus=IdSet.parse("2-3"),
            present=IdSet.parse("2-3"),
            numa_node=1,
            memory_nodes=IdSet.of([1]),
            memory_bytes=1,
        )
    ]
)
REPORT = CheckReport(
    verified=True, cpus="2-3", mems="1", ranks=(), limit_bytes=None, message="bound"
)
LOOK = Observation(
    thread_cpus=(IdSet.of([2]), IdSet.of([3])), mems=IdSet.of([1]), bytes_on_node={0: 1, 1: 999}
)
GOOD = Outcome(report=REPORT, observation=LOOK, rate="", exit_status=0)


def test_a_bound_replica_with_local_memory_has_no_problem() -> None:
    assert problems(ASSIGNMENT, GOOD) == ()


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        pytest.param(
            replace(GOOD, report=replace(REPORT, verified=False, message="node 1 is full")),
            "node 1 is full",
            id="refused",
        ),
        pytest.param(
            replace(GOOD, exit_status=3), "the engine ended with status 3", id="exit status"
        ),
        pytest.param(replace(GOOD, observation=None), "before it could be observed", id="too soon"),
        pytest.param(
            replace(GOOD, observation=replace(LOOK, thread_cpus=(IdSet.parse("0-3"),))),
            "threads may run on CPUs 0-1 outside the set 2-3",
            id="stray thread",
        ),
        pytest.param(
            replace(GOOD, observation=replace(LOOK, bytes_on_node={0: 50, 1: 50})),
            "only 50.0% of its memory is on NUMA node 1",
            id="remote memory",
        ),
    ],
)
def test_whatever_is_wrong_is_one_sentence(outcome: Outcome, sentence: str) -> None:
    (found,) = problems(ASSIGNMENT, outcome)

    assert sentence in found


def test_no_memory_is_not_remote() -> None:
    assert local_share({}, ASSIGNMENT) == 1.0
