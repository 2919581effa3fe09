"""What engines are told of memory: never more than a rank has, whatever the engine counts from."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.engines import EngineSettings, Job, Memory, tell
from numalocal.engines.arguments import value
from numalocal.engines.vllm import OVERHEAD_BYTES, SHM_BYTES_PER_RANK

from ..conftest import GIB

NEW, OLD, UNKNOWN = "vllm/vllm-openai-cpu:v0.24.0", "reg:5000/vllm:v0.23.1-x", "vllm:latest"


def vllm(image: str = NEW, ranks: int = 2, kv: int | None = None, **memory: int | None) -> Job:
    sizes = {"per_rank_bytes": 72 * GIB, "limit_bytes": 150 * GIB, "node_bytes": 512 * GIB}
    return Job(
        settings=EngineSettings(name="vllm", kv_cache_bytes=kv),
        ranks=ranks,
        command=("vllm", "serve"),
        image=image,
        memory=Memory(**{**sizes, **memory}),
    )


@pytest.mark.parametrize(
    ("image", "fraction"),
    [
        pytest.param(NEW, "0.4800", id="of the pod's limit"),
        pytest.param(OLD, "0.1406", id="of the largest NUMA node"),
        pytest.param(UNKNOWN, "0.4800", id="as the newest do"),
    ],
)
def test_vllm_is_told_by_what_its_version_counts_from(image: str, fraction: str) -> None:
    limit_bytes = 2 * 72 * GIB + OVERHEAD_BYTES + 2 * SHM_BYTES_PER_RANK
    told = tell(vllm(image, limit_bytes=limit_bytes))

    found = value(told.arguments, "--gpu-memory-utilization")
    exact = Fraction(72 * GIB, 512 * GIB if image == OLD else limit_bytes)
    assert found is not None
    assert Fraction(found) <= exact < Fraction(found) + Fraction(1, 10_000)
    assert fraction.startswith(found[:3])
    assert any("tells no version" in note for note in told.notes) is (image == UNKNOWN)


def test_a_kv_cache_in_bytes_is_told_as_it_is() -> None:
    told = tell(vllm(kv=24 * GIB))

    assert value(told.arguments, "--kv-cache-memory-bytes") == str(24 * GIB)
    assert value(told.arguments, "--gpu-memory-utilization") is None


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        (vllm(OLD, node_bytes=None), "which is not known until a node offers the pool"),
        (vllm(per_rank_bytes=GIB, limit_bytes=3 * GIB), "leaves nothing for a rank"),
    ],
)
def test_what_cannot_be_counted_is_said(job: Job, sentence: str) -> None:
    told = tell(job)

    assert value(told.arguments, "--gpu-memory-utilization") is None
    assert any(sentence in note for note in told.notes)


def test_without_a_size_nothing_is_said() -> None:
    told = tell(vllm(per_rank_bytes=None))

    assert (value(told.arguments, "--gpu-memory-utilization"), told.notes) == (None, ())


def test_other_ranks_than_the_workers_are_said() -> None:
    job = Job(
        settings=EngineSettings(name="vllm"),
        ranks=2,
        command=("vllm", "serve", "--tensor-parallel-size=2", "-pp", "2"),
    )

    assert any("start 4 ranks, and spec.ranks is 2" in note for note in tell(job).notes)


SIZES = st.integers(min_value=GIB, max_value=1 << 42)


@given(st.sampled_from([NEW, OLD]), st.integers(1, 8), SIZES, SIZES, SIZES)
def test_all_ranks_together_stay_within_the_pods_limit(
    image: str, ranks: int, per_rank: int, limit: int, node: int
) -> None:
    job = vllm(image, ranks, per_rank_bytes=per_rank, limit_bytes=limit, node_bytes=node)
    found = value(tell(job).arguments, "--gpu-memory-utilization")
    if found is None:
        return
    basis = node if image == OLD else min(node, limit)

    asks = ceil(basis * Fraction(found))

    assert asks <= per_rank
    assert ranks * asks + OVERHEAD_BYTES + ranks * SHM_BYTES_PER_RANK <= limit


@given(st.integers(1, 8), st.integers(1, 8), SIZES, SIZES)
def test_sglangs_ranks_stay_within_the_pods_limit_however_they_are_spread(
    ranks: int, nodes: int, per_rank: int, limit: int
) -> None:
    settings = EngineSettings(name="sglang")
    memory = Memory(per_rank_bytes=per_rank, limit_bytes=limit)
    told = tell(Job(settings=settings, ranks=ranks, command=("sglang", "serve"), memory=memory))
    found = value(told.arguments, "--mem-fraction-static")
    if found is None:
        return

    asks = Fraction(limit, min(ranks, nodes)) * Fraction(found)

    assert asks <= per_rank
    assert ranks * asks <= limit
