import os
from pathlib import Path
from typing import Any

import pytest

from numalocal.host import plan
from numalocal.host.placement import place
from numalocal.host.shortages import shortages
from numalocal.idset import IdSet
from numalocal.machine.model import Finding, Limits, Machine, MemoryLimit
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool
from numalocal.worker.spec import Worker, parse_worker

from ..conftest import GIB, make_machine
from ..sets.machines import machine_named

GOLDEN = Path(__file__).parents[2] / "golden" / "core"
MACHINE = make_machine(nodes=2, cores=6)
CUT = partition(MACHINE, [Pool(name="cpuset", size=2)])


def worker(**spec: Any) -> Worker:
    containers = [{"name": "engine", "args": ["--model", "llama"]}]
    return parse_worker(
        {
            "metadata": {"name": "llama"},
            "spec": {"template": {"spec": {"containers": containers}}, **spec},
        }
    )


def golden(name: str, shown: str) -> None:
    path = GOLDEN / name
    if os.environ.get("NUMALOCAL_GOLDEN") == "write":
        path.write_text(shown + "\n", encoding="utf-8")
    assert shown + "\n" == path.read_text(encoding="utf-8")


def test_a_plan_reads_as_its_golden_file() -> None:
    made = worker(replicas=2, ranks=2, engine={"name": "vllm"}, memory={"perRank": "2Gi"})
    placements = place(made, MACHINE, CUT)

    golden(
        "plan.txt",
        plan.text(made, placements, shortages(made, MACHINE, CUT, placements), width=100),
    )


def test_a_plan_with_a_tier_and_overflow_reads_as_its_golden_file() -> None:
    machine = machine_named("cxl")
    cut = partition(machine, [Pool(name="cpuset", size=4)])
    shown = []
    for memory in (
        {"perRank": "2Gi", "nodes": "Near"},
        {"perRank": "2Gi", "policy": "Preferred", "nodes": "MemoryOnly"},
        {"policy": "WeightedInterleave", "nodes": "Near"},
        {"perRank": "100Gi", "onOverflow": "Interleave"},
    ):
        made = worker(memory=memory)
        placements = place(made, machine, cut)
        short = shortages(made, machine, cut, placements)
        shown.append(plan.text(made, placements, short, width=120))

    golden("plan-memory.txt", "\n\n".join(shown))


def test_a_document_says_where_memory_is_and_by_which_policy() -> None:
    made = worker(ranks=2, memory={"perRank": "9Gi", "onOverflow": "Interleave"})
    machine = make_machine(nodes=4, cores=6)
    cut = partition(machine, [Pool(name="cpuset", size=2)])

    shown: Any = plan.document(made, place(made, machine, cut), ())

    (replica,) = shown["replicas"]
    assert replica["memory"] == {
        "nodes": "0-3",
        "policy": "Interleave",
        "policy_nodes": "0-3",
        "overflowed": True,
    }
    assert [rank["memory_nodes"] for rank in replica["ranks"]] == ["0-3", "0-3"]


def test_a_plan_without_an_amount_of_memory_shows_the_share() -> None:
    made = worker()

    shown = plan.text(made, place(made, MACHINE, CUT), (), width=100)

    assert shown.splitlines()[1].endswith("share 2.7 GiB")
    assert shown.endswith("\nfits")


@pytest.mark.parametrize(
    ("policy", "shown"),
    [("Bind", "node 2"), ("Preferred", "share 64.0 GiB, Preferred node 2, then 0-1")],
)
def test_a_plan_shows_no_share_of_memory_that_a_rank_does_not_have(policy: str, shown: str) -> None:
    machine = machine_named("cxl")
    cut = partition(machine, [Pool(name="cpuset", reserve=0)])
    made = worker(memory={"nodes": "MemoryOnly", "policy": policy})

    told = plan.text(made, place(made, machine, cut), (), width=160)

    assert told.splitlines()[1].rsplit("  ", 1)[1] == shown


def test_a_document_has_every_rank_and_what_the_engine_is_told() -> None:
    made = worker(ranks=2, engine={"name": "vllm", "reservedCores": 0})

    shown = plan.document(made, place(made, MACHINE, CUT), ())

    replicas: Any = shown["replicas"]
    (replica,) = replicas
    assert replica["ranks"] == [
        {
            "set": one.id,
            "cpus": str(one.cpus),
            "compute_cpus": compute,
            "numa_node": one.numa_node,
            "memory_nodes": str(one.numa_node),
            "memory_bytes": one.memory_bytes,
        }
        for one, compute in zip((CUT.sets[0], CUT.sets[2]), ("3,5", "15,17"), strict=True)
    ]
    assert replica["environment"]["VLLM_CPU_OMP_THREADS_BIND"] == "3,5|15,17"
    assert shown["shortages"] == []


LIMIT = MemoryLimit(path="/sys/fs/cgroup/memory.max", limit_bytes=8 * GIB, left_bytes=6 * GIB)
UNREAD = Finding("/sys/fs/cgroup/memory.max", 'says "x", which is no memory limit')


def told(machine: Machine = MACHINE, **spec: Any) -> list[str]:
    made = worker(**spec)
    placements = place(made, machine, CUT)
    found = shortages(made, machine, CUT, placements)
    shown = plan.text(made, placements, found, width=100)
    assert shown.count("does not fit: ") == len(found)
    return list(found)


@pytest.mark.parametrize(
    ("limits", "spec", "sentences"),
    [
        pytest.param(Limits(), {"memory": {"perRank": "8Gi"}}, [], id="all of a node"),
        pytest.param(
            Limits(),
            {"ranks": 2, "replicas": 2, "memory": {"perRank": "4Gi"}},
            [],
            id="all of both nodes",
        ),
        pytest.param(
            Limits(),
            {"memory": {"perRank": "9Gi"}},
            [
                "1 rank asks for 9.0 GiB but NUMA node 0 has 8.0 GiB besides huge pages: lower "
                "spec.memory.perRank, or say spec.memory.onOverflow: Interleave to take the rest "
                "from farther nodes; what fits is spec.memory.perRank: 8Gi",
            ],
            id="more than a node",
        ),
        pytest.param(
            Limits(),
            {"memory": {"perRank": "17Gi"}},
            [
                "1 rank asks for 17.0 GiB but NUMA node 0 has 8.0 GiB besides huge pages: lower "
                "spec.memory.perRank; what fits is spec.memory.perRank: 8Gi",
            ],
            id="more than all nodes",
        ),
        pytest.param(
            Limits(),
            {"memory": {"perRank": "16Gi", "onOverflow": "Interleave"}},
            [],
            id="all of both nodes for one rank",
        ),
        pytest.param(
            Limits(),
            {"memory": {"perRank": "17Gi", "onOverflow": "Interleave"}},
            [
                "1 rank asks for 17.0 GiB but NUMA nodes 0-1 together have 16.0 GiB besides huge "
                "pages: lower spec.memory.perRank; what fits is spec.memory.perRank: 16Gi",
            ],
            id="overflow that even all nodes do not hold",
        ),
        pytest.param(
            Limits(),
            {"memory": {"perRank": "17Gi", "policy": "Preferred"}},
            [
                "1 rank asks for 17.0 GiB but NUMA nodes 0-1 together have 16.0 GiB besides huge "
                "pages: lower spec.memory.perRank; what fits is spec.memory.perRank: 16Gi",
            ],
            id="a preference may have all nodes",
        ),
        pytest.param(
            Limits(),
            {"replicas": 2, "memory": {"perRank": "9Gi", "onOverflow": "Interleave"}},
            [
                "2 ranks ask for 18.0 GiB (9.0 GiB each) but NUMA nodes 0-1 together have 16.0 GiB "
                "besides huge pages: lower spec.memory.perRank, or lower spec.replicas; what fits "
                "is 1 of 2 ranks, or all with spec.memory.perRank: 8Gi",
            ],
            id="replicas that overflow into each other",
        ),
        pytest.param(
            Limits(),
            {"ranks": 2, "replicas": 2, "memory": {"perRank": "5Gi"}},
            [
                "2 ranks ask for 10.0 GiB (5.0 GiB each) but NUMA node 0 has 8.0 GiB besides huge "
                "pages: lower spec.memory.perRank, or lower spec.replicas or spec.ranks",
                "2 ranks ask for 10.0 GiB (5.0 GiB each) but NUMA node 1 has 8.0 GiB besides huge "
                "pages: lower spec.memory.perRank, or lower spec.replicas or spec.ranks; "
                "what fits is 2 of 4 ranks, or all with spec.memory.perRank: 4Gi",
            ],
            id="more than both nodes",
        ),
        pytest.param(
            Limits(memory=LIMIT),
            {"memory": {"perRank": "7Gi"}},
            [
                "rank 0 asks for 7.0 GiB but 6.0 GiB is left of the memory limit of 8.0 GiB in "
                "/sys/fs/cgroup/memory.max: raise that limit (in a pod: the container's memory "
                "limit), or lower spec.memory.perRank; "
                "what fits is spec.memory.perRank: 6Gi",
            ],
            id="more than is left of the limit",
        ),
        pytest.param(
            Limits(memory=LIMIT),
            {"ranks": 2, "memory": {"perRank": "3073Mi"}},
            [
                "ranks 0-1 ask for 6.0 GiB (3.0 GiB each) but 6.0 GiB is left of the memory limit "
                "of 8.0 GiB in /sys/fs/cgroup/memory.max: raise that limit (in a pod: the "
                "container's memory limit), or lower spec.memory.perRank; "
                "what fits is 1 of 2 ranks, or all with spec.memory.perRank: 3Gi",
            ],
            id="a little more",
        ),
        pytest.param(
            Limits(memory=LIMIT),
            {"replicas": 3, "memory": {"perRank": "2049Mi"}},
            [
                "3 ranks ask for 6.0 GiB (2.0 GiB each) but 6.0 GiB is left of the memory limit of "
                "8.0 GiB in /sys/fs/cgroup/memory.max: raise that limit (in a pod: the container's "
                "memory limit), or lower spec.memory.perRank; "
                "what fits is 2 of 3 ranks, or all with spec.memory.perRank: 2Gi",
            ],
            id="replicas share the limit",
        ),
        pytest.param(
            Limits(unread=(UNREAD,)),
            {"memory": {"perRank": "1Gi"}},
            ['/sys/fs/cgroup/memory.max: says "x", which is no memory limit'],
            id="a limit that cannot be read",
        ),
        pytest.param(Limits(memory=LIMIT, unread=(UNREAD,)), {}, [], id="no amount is asked for"),
        pytest.param(
            Limits(memory=LIMIT), {"replicas": 0, "memory": {"perRank": "7Gi"}}, [], id="no replica"
        ),
    ],
)
def test_what_does_not_fit_is_told_in_numbers(
    limits: Limits, spec: dict[str, Any], sentences: list[str]
) -> None:
    assert told(MACHINE._replace(limits=limits), **spec) == sentences


def unknown(machine: Machine) -> Machine:
    """Give the machine as a kernel shows it that tells no memory of node 1."""
    nodes = (machine.nodes[0], machine.nodes[1]._replace(memory_bytes=None))
    return machine._replace(nodes=nodes)


def test_a_node_whose_memory_is_not_known_is_not_short() -> None:
    assert told(unknown(MACHINE), ranks=2, memory={"perRank": "9Gi"}) == []
    asked = told(unknown(MACHINE), replicas=2, ranks=2, memory={"perRank": "7Ei"})
    assert asked[0].startswith(
        "2 ranks ask for 14.0 EiB (7.0 EiB each) but NUMA node 0 has 8.0 GiB"
    )
    assert len(asked) == 1


def test_beside_a_limit_memory_that_is_not_known_is_as_much_as_the_limit() -> None:
    machine = unknown(MACHINE)._replace(limits=Limits(memory=LIMIT), allowed_nodes=IdSet.of([1]))

    (short,) = told(machine, memory={"perRank": "7Gi"})

    assert short.endswith("; what fits is spec.memory.perRank: 6Gi")


def test_where_nothing_is_left_nothing_fits() -> None:
    used = Limits(memory=LIMIT._replace(left_bytes=4096))

    (short,) = told(MACHINE._replace(limits=used), ranks=2, memory={"perRank": "1Gi"})

    assert short.endswith("; nothing fits")


def test_a_note_is_told_once_for_all_replicas() -> None:
    made = worker(replicas=3, engine={"name": "ollama"})

    noted = plan.notes(place(made, MACHINE, CUT))

    assert len(noted) == len(set(noted)) > 0
