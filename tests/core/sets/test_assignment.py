import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.errors import AssignmentInvalid
from numalocal.idset import MAX_ID, IdSet
from numalocal.machine.model import Machine
from numalocal.sets.assignment import MAX_SETS, Assignment
from numalocal.sets.cpusets import CpuSet
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


ONE = {"id": "a", "pool": "p", "cpus": "2-3", "numaNode": 0, "memoryBytes": 5}


def of(*sets: object) -> str:
    return json.dumps({"sets": sets})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("{}", "it has no 'sets'"),
        ("[]", "[] is no mapping"),
        ("null", "null is no mapping"),
        (of({}), "it has no 'cpus'"),
        (of("x"), "'x' is no mapping"),
        ('{"sets":{}}', "sets are {}, not a list of 1 to 64"),
        (of(), "sets are [], not a list of 1 to 64"),
        (of(*[ONE] * 65), "not a list of 1 to 64"),
        (of(ONE, {**ONE, "cpus": "4"}), "two sets have the same id or CPU"),
        (of(ONE, {**ONE, "id": "b"}), "two sets have the same id or CPU"),
        (of({**ONE, "cpus": "x"}), "list 'x': 'x' is neither an id nor a range"),
        (of({**ONE, "cpus": ""}), "'' is no list of ids such as 0-3"),
        (of({**ONE, "cpus": 3}), "3 is no list of ids such as 0-3"),
        (of({**ONE, "cpus": "9999"}), "above the highest id 8191"),
        (of({**ONE, "memoryNodes": None}), "null is no list of ids"),
        (of({**ONE, "numaNode": float("inf")}), "inf is no whole number from 0 to 8191"),
        (of({**ONE, "numaNode": float("nan")}), "nan is no whole number from 0 to 8191"),
        (of({**ONE, "numaNode": True}), "true is no whole number from 0 to 8191"),
        (of({**ONE, "numaNode": -1}), "-1 is no whole number from 0 to 8191"),
        (of({**ONE, "numaNode": "0"}), "'0' is no whole number from 0 to 8191"),
        (of({**ONE, "memoryBytes": 1 << 63}), "is no whole number from 0 to 9223372036854775807"),
        (of({**ONE, "threadsPerCore": 0}), "0 is no whole number from 1 to 64"),
        (of({**ONE, "id": ""}), "'' is the name of no pool or set"),
        (of({**ONE, "id": "x" * 64}), "is the name of no pool or set"),
        (of({**ONE, "id": "\ud800"}), "'\\ud800' is the name of no pool or set"),
        (of({**ONE, "pool": ["p"]}), "['p'] is the name of no pool or set"),
        (of({**ONE, "numaNode": 0}).replace("0", "9" * 5000), "Exceeds the limit"),
        ("[" * 60_000, "is not an assignment"),
        ('{"sets":' * 8000, "is not an assignment"),  # how deep is too deep is Python's to say
        (" " * (1 << 16) + of(ONE), "more than 65536"),
    ],
)
def test_a_damaged_annotation_is_refused_with_what_to_do(text: str, why: str) -> None:
    with pytest.raises(AssignmentInvalid) as caught:
        Assignment.parse(text)

    sentence = str(caught.value)
    assert " is not an assignment (" in sentence
    assert sentence.endswith("; delete the pod so that it gets a new one")
    assert why in sentence
    assert sentence.isprintable()
    assert len(sentence) < 400


def test_the_sets_of_the_largest_machine_fit_into_the_annotation() -> None:
    """Every other CPU is as long as a list can be."""
    ids = list(range(1, MAX_ID + 1, 2))
    each = len(ids) // MAX_SETS
    sets = [
        CpuSet(
            id=f"{'p' * 40}-n8191-c{ids[start]}x{each}",
            pool="p" * 40,
            cpus=(cpus := IdSet.of(ids[start : start + each])),
            present=cpus,
            numa_node=MAX_ID,
            memory_nodes=IdSet.of([MAX_ID - 2, MAX_ID - 4]),
            memory_bytes=(1 << 63) - 1,
            threads_per_core=8,
        )
        for start in range(0, len(ids), each)
    ]
    assignment = Assignment.of(sets)

    assert len(sets) == MAX_SETS
    assert Assignment.parse(assignment.to_json()) == assignment


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
nearly_sets = st.fixed_dictionaries(
    {key: st.just(value) | json_values for key, value in ONE.items()}
)


@given(st.text() | json_values.map(json.dumps) | st.lists(nearly_sets).map(lambda sets: of(*sets)))
def test_any_text_is_an_assignment_that_comes_back_or_is_refused(text: str) -> None:
    try:
        assignment = Assignment.parse(text)
    except AssignmentInvalid as error:
        refusal = str(error)
    else:
        refusal = ""
        assert Assignment.parse(assignment.to_json()) == assignment
    assert refusal == "" or refusal.isprintable()
