from numalocal.idset import IdSet
from numalocal.sets.document import document, without_sets
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool

from ..conftest import GIB, MachineMaker


def test_every_set_is_told_with_its_state(machine: MachineMaker) -> None:
    made = machine(nodes=3)
    lent = made.nodes[1]._replace(memory_bytes=0, distances={0: 12, 1: 10, 2: 20})
    made = made._replace(nodes=(made.nodes[0], lent, made.nodes[2]), allowed_nodes=IdSet.of([0]))
    made = made.with_online(made.online - IdSet.of([7]))
    parts = partition(made, [Pool(name="cpuset")])

    told = document(made, parts, {"cpuset-n0-c2x2"})

    assert told == {
        "sets": [
            {
                "id": "cpuset-n0-c2x2",
                "pool": "cpuset",
                "cpus": "2-3",
                "numa_node": 0,
                "memory_nodes": "0",
                "memory_bytes": 2 * GIB,
                "state": "used",
            },
            {
                "id": "cpuset-n1-c6x2",
                "pool": "cpuset",
                "cpus": "6",
                "numa_node": 1,
                "memory_nodes": "0",
                "memory_bytes": 2 * GIB,
                "state": "free",
            },
            {
                "id": "cpuset-n2-c10x2",
                "pool": "cpuset",
                "cpus": "10-11",
                "numa_node": 2,
                "memory_nodes": "2",
                "memory_bytes": 4 * GIB,
                "state": "not allowed",
            },
        ],
        "shared_cpus": "0-1,4-5,8-9",
        "no_sets": None,
        "pool_notes": [],
    }


def test_a_machine_without_sets_says_why_in_the_same_fields(machine: MachineMaker) -> None:
    made = machine()

    told = without_sets(made, "pool cpuset: no core is left")

    assert told == {
        "sets": [],
        "shared_cpus": "0-7",
        "no_sets": "pool cpuset: no core is left",
        "pool_notes": [],
    }
    assert told.keys() == document(made, partition(made, [Pool(name="cpuset")]), ()).keys()
