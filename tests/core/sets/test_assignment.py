import pytest

from numalocal.errors import AssignmentInvalid
from numalocal.sets.assignment import Assignment
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool

from ..conftest import MachineMaker


@pytest.fixture
def assignment(machine: MachineMaker) -> Assignment:
    return Assignment.of(reversed(partition(machine(), [Pool(name="cpuset")]).sets))


def test_ranks_are_ordered_by_node_whatever_order_the_kubelet_uses(assignment: Assignment) -> None:
    assert [one.numa_node for one in assignment.sets] == [0, 1]


def test_the_environment_names_cpus_and_nodes_of_every_rank(assignment: Assignment) -> None:
    assert assignment.environment() == {
        "NUMALOCAL_CPUS": "2-3,6-7",
        "NUMALOCAL_MEMS": "0-1",
        "NUMALOCAL_RANKS": "2",
        "NUMALOCAL_RANK_CPUS": "2-3|6-7",
        "NUMALOCAL_RANK_MEMS": "0|1",
    }


@pytest.mark.parametrize("threads", [None, 2])
def test_an_assignment_survives_its_annotation(machine: MachineMaker, threads: int | None) -> None:
    pools = [Pool(name="cpuset", threads_per_core=threads)]
    assignment = Assignment.of(partition(machine(), pools).sets)

    assert assignment == Assignment.parse(assignment.to_json())


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"sets":[{}]}', '{"sets":[{"id":"a","pool":"p","cpus":"x"}]}'],
)
def test_a_damaged_annotation_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(AssignmentInvalid, match=r"numalocal.io/assignment: .* delete the pod"):
        Assignment.parse(text)
