"""What `numalocal run` shows, to the letter."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from numalocal.host import tables
from numalocal.host.observation import Observation
from numalocal.host.placement import place
from numalocal.host.verdict import Evidence, Outcome
from numalocal.idset import IdSet
from numalocal.report import CheckReport, OverflowCost, RankReport
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool
from numalocal.worker.spec import Worker, parse_worker

from ..conftest import GIB, make_machine

GOLDEN = Path(__file__).parents[2] / "golden" / "core"
MACHINE = make_machine(nodes=2, cores=6)
CUT = partition(MACHINE, [Pool(name="cpuset", size=2)])


def worker(**spec: Any) -> Worker:
    containers = [{"name": "engine", "command": ["serve"]}]
    template = {"spec": {"containers": containers}}
    return parse_worker({"metadata": {"name": "llama"}, "spec": {"template": template, **spec}})


WORKER = worker(ranks=2, engine={"name": "vllm"}, memory={"perRank": "2Gi"})
PLACEMENTS = place(WORKER, MACHINE, CUT)
REPORT = CheckReport(
    verified=True,
    cpus="2-5,14-17",
    mems="0-1",
    ranks=tuple(
        RankReport(
            cpus=cpus,
            numa_node=node,
            memory_nodes=str(node),
            memory_bytes=2 * GIB,
            available_bytes=6 * GIB,
        )
        for node, cpus in enumerate(("2-5", "14-17"))
    ),
    limit_bytes=None,
    message="bound",
)
LOOK = Observation(
    threads=4,
    cpus=IdSet.of([2, 4, 14, 16]),
    mems=IdSet.of([0, 1]),
    bytes_on_node={0: 2 * GIB, 1: 2 * GIB},
)
GOOD = Outcome(
    report=REPORT,
    evidence=Evidence(looks=1, fullest=LOOK, least_local=LOOK),
    rate="12.5 tokens/s, 50.0 GB/s",
    exit_status=0,
)


def golden(name: str, shown: str) -> None:
    path = GOLDEN / name
    if os.environ.get("NUMALOCAL_GOLDEN") == "write":
        path.write_text(shown + "\n", encoding="utf-8")
    assert shown + "\n" == path.read_text(encoding="utf-8")


def test_a_run_reads_as_its_golden_file() -> None:
    (placement,) = PLACEMENTS

    golden(
        "run.txt",
        "\n\n".join(
            [
                tables.replica_table(WORKER, placement, GOOD, width=100),
                tables.closing_line([(placement, GOOD)]),
            ]
        ),
    )


def test_a_refused_run_says_what_was_not_verified() -> None:
    (placement,) = PLACEMENTS
    refused = CheckReport(
        verified=False,
        cpus="2-5,14-17",
        mems="0-1",
        ranks=REPORT.ranks,
        limit_bytes=None,
        message="rank 0 asks for 2.0 GiB but NUMA node 0 has 1.0 GiB available of 8.0 GiB",
    )
    outcome = Outcome(report=refused)

    golden(
        "run-refused.txt",
        "\n\n".join(
            [
                tables.replica_table(WORKER, placement, outcome, width=100),
                tables.closing_line([(placement, outcome)]),
            ]
        ),
    )


def cost(interleaved: int | None, near: int | None) -> OverflowCost:
    return OverflowCost(interleaved_bytes_per_s=interleaved, near_bytes_per_s=near)


@pytest.mark.parametrize(
    ("overflow", "told"),
    [
        (cost(15_000_000_000, 20_000_000_000), "15.0 GB/s, 75% of the 20.0 GB/s of near"),
        (cost(None, None), "cost not measured"),
        (cost(0, 0), "cost not measured"),
    ],
    ids=str,
)
def test_a_run_tells_where_memory_overflows_and_what_that_costs(
    overflow: OverflowCost, told: str
) -> None:
    made = worker(memory={"perRank": "9Gi", "onOverflow": "Interleave"})
    (placement,) = place(made, MACHINE, CUT)
    outcome = replace(GOOD, report=replace(REPORT, overflow=overflow))

    shown = tables.replica_table(made, placement, outcome, width=140)

    assert "Interleave over nodes 0-1 (overflow)" in shown
    assert "Bind, nodes Local" in shown
    assert told in shown
    assert tables.closing_line([(placement, outcome)]).endswith("that were asked for")
