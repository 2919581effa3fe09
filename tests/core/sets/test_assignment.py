import pytest

from numalocal.errors import AssignmentInvalid
from numalocal.idset import IdSet
from numalocal.machine.model import Machine
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


def test_memory_is_where_the_sets_take_it_from(machine: MachineMaker) -> None:
    assignment = Assignment.of(partition(lent(machine()), [Pool(name="cpuset")]).sets)

    assert assignment.environment()["NUMALOCAL_MEMS"] == "0"
    assert assignment.environment()["NUMALOCAL_RANK_MEMS"] == "0|0"


def test_ranks_keep_their_order_and_their_cores_while_siblings_are_offline(
    machine: MachineMaker,
) -> None:
    made = machine(nodes=1, cores=3)
    made = made._replace(
        cores=tuple(
            core._replace(cpus=IdSet.of([number, number + 3]))
            for number, core in enumerate(made.cores)
        )
    ).with_online(IdSet.parse("0,2-5"))

    assignment = Assignment.of(partition(made, [Pool(name="cpuset", size=1)]).sets)

    assert [str(one.cpus) for one in assignment.sets] == ["4", "2,5"]
    assert [one.id for one in Assignment.parse(assignment.to_json()).sets] == [
        one.id for one in assignment.sets
    ]
    assert [str(one.cpus) for one in assignment.on(IdSet.parse("4-5")).sets] == ["4", "5"]


@pytest.mark.parametrize("threads", [None, 2])
@pytest.mark.parametrize("lend", [False, True])
def test_an_assignment_survives_its_annotation(
    machine: MachineMaker, threads: int | None, *, lend: bool
) -> None:
    pools = [Pool(name="cpuset", threads_per_core=threads)]
    made = lent(machine()) if lend else machine()
    assignment = Assignment.of(partition(made, pools).sets)

    assert assignment == Assignment.parse(assignment.to_json())


def test_an_annotation_that_names_no_memory_nodes_means_the_sets_own() -> None:
    text = '{"sets":[{"id":"a","pool":"p","cpus":"2-3","numaNode":1,"memoryBytes":5}]}'

    assert str(Assignment.parse(text).mems) == "1"


def lent(machine: Machine) -> Machine:
    """Take node 1's memory away."""
    nodes = (machine.nodes[0], machine.nodes[1]._replace(memory_bytes=0))
    return machine._replace(nodes=nodes)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"sets":[{}]}', '{"sets":[{"id":"a","pool":"p","cpus":"x"}]}'],
)
def test_a_damaged_annotation_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(AssignmentInvalid, match=r"numalocal.io/assignment: .* delete the pod"):
        Assignment.parse(text)
