import os
from pathlib import Path
from typing import Any

import pytest

from numalocal.host import plan
from numalocal.host.placement import place
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool
from numalocal.worker.spec import Worker, parse_worker

from ..conftest import GIB, make_machine

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
        plan.text(made, placements, plan.shortages(made, MACHINE, placements), width=100),
    )


def test_a_plan_without_an_amount_of_memory_shows_the_share() -> None:
    made = worker()

    shown = plan.text(made, place(made, MACHINE, CUT), (), width=100)

    assert shown.splitlines()[1].endswith("share 2.7 GiB")
    assert shown.endswith("\nfits")


def test_a_document_has_every_rank_and_what_the_engine_is_told() -> None:
    made = worker(ranks=2, engine={"name": "vllm", "reservedCores": 0})

    told = plan.document(made, place(made, MACHINE, CUT), ())

    replicas: Any = told["replicas"]
    (replica,) = replicas
    assert replica["ranks"] == [
        {
            "set": one.id,
            "cpus": str(one.cpus),
            "compute_cpus": compute,
            "numa_node": one.numa_node,
            "memory_bytes": one.memory_bytes,
        }
        for one, compute in zip((CUT.sets[0], CUT.sets[2]), ("3,5", "15,17"), strict=True)
    ]
    assert replica["environment"]["VLLM_CPU_OMP_THREADS_BIND"] == "3,5|15,17"
    assert told["shortages"] == []


@pytest.mark.parametrize(
    ("per_rank", "short"),
    [("4Gi", 0), ("4097Mi", 2)],
    ids=["all of both nodes", "a little more"],
)
def test_memory_is_compared_for_all_ranks_of_a_node_together(per_rank: str, short: int) -> None:
    made = worker(replicas=2, ranks=2, memory={"perRank": per_rank})
    machine = make_machine(nodes=2, cores=6, memory_bytes=8 * GIB)
    placements = place(made, machine, CUT)

    told = plan.shortages(made, machine, placements)

    assert len(told) == short
    assert all(
        "has 8.0 GiB besides huge pages, and 2 x 4.0 GiB are asked for" in one for one in told
    )
    assert plan.text(made, placements, told, width=100).count("does not fit: NUMA node") == short
