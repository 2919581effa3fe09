"""vLLM's own count of memory, and what numalocal tells it of that."""

from math import ceil

import pytest

from numalocal import engines
from numalocal.engines.arguments import value
from numalocal.engines.vllm_memory import OVERHEAD_BYTES, READS_LIMIT_SINCE, SHM_BYTES_PER_RANK
from numalocal.quantity import parse_bytes
from numalocal.worker import jobs
from numalocal.worker.spec import Worker
from simulated import GIB

from .placing import X86, machine_named, placed, worker
from .planning import VERSIONS, Container, ask

pytestmark = pytest.mark.engines


def fraction(one: Worker, limit_bytes: int, node_bytes: int) -> float:
    """Give what numalocal tells vLLM, as vLLM reads it."""
    job = jobs.job(one.ask, one.template.engine, limit_bytes=limit_bytes, node_bytes=node_bytes)
    found = value(engines.tell(job).arguments, "--gpu-memory-utilization")
    assert found is not None
    return float(found)


@pytest.mark.parametrize(
    ("ranks", "per_rank", "nodes"),
    [
        pytest.param(1, "24Gi", (64, 64), id="one rank"),
        pytest.param(2, "72Gi", (512, 512), id="a limit of less than a node"),
        pytest.param(2, "48Gi", (64, 64), id="a limit of more than a node"),
        pytest.param(2, "48Gi", (64, 512), id="nodes of unequal size"),
        pytest.param(4, "20Gi", (512, 512), id="two ranks on each node"),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_what_all_ranks_ask_for_fits_in_the_pod(
    version: str, ranks: int, per_rank: str, nodes: tuple[int, int]
) -> None:
    one = worker(ranks, image=f"vllm:v{version}", memory={"perRank": per_rank})
    limit_bytes = jobs.memory_limit_bytes(one.ask, one.template.engine)
    assert limit_bytes is not None
    told = fraction(one, limit_bytes, max(nodes) * GIB)

    asks = [ceil(total * told) for total in totals(version, ranks, limit_bytes, nodes)]

    beside = OVERHEAD_BYTES + ranks * SHM_BYTES_PER_RANK
    assert sum(asks) + beside <= limit_bytes
    assert max(asks) <= parse_bytes(per_rank)
    assert max(asks) * ranks + beside > limit_bytes * 0.9 or limit_bytes > max(nodes) * GIB


def test_a_version_would_be_wrong_with_the_fraction_of_the_other_side_of_the_change() -> None:
    limit_bytes, rank_bytes = 150 * GIB, 72 * GIB
    reads = {version: numbers(version) >= READS_LIMIT_SINCE for version in VERSIONS}
    before = max((one for one in VERSIONS if not reads[one]), key=numbers)
    since = min((one for one in VERSIONS if reads[one]), key=numbers)
    basis = {one: totals(one, 2, limit_bytes, (512, 512))[0] for one in (before, since)}
    told = {
        one: fraction(
            worker(2, image=f"vllm:v{one}", memory={"perRank": "72Gi"}), limit_bytes, 512 * GIB
        )
        for one in basis
    }

    assert basis == {before: 512 * GIB, since: limit_bytes}
    assert ceil(basis[before] * told[since]) > limit_bytes
    assert ceil(basis[since] * told[before]) < rank_bytes / 3


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")[:2]))


def totals(version: str, ranks: int, limit_bytes: int, nodes: tuple[int, int]) -> list[int]:
    """Let vLLM tell of what each rank takes its fraction, on nodes of so many GiB."""
    machine = machine_named(X86)
    sized = machine._replace(
        nodes=tuple(
            node._replace(memory_bytes=size * GIB)
            for node, size in zip(machine.nodes, nodes, strict=True)
        )
    )
    (one,) = placed(worker(ranks), sized, 3)
    container = Container(
        machine=sized,
        cpus=one.assignment.cpus,
        mems=one.assignment.mems,
        limit_bytes=limit_bytes,
    )
    return list(ask(version, container, ranks, one.environment).memory_bytes)
