"""What engines are told of memory: never more than a rank has, whatever the engine counts from."""

from dataclasses import replace
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.engines import EngineSettings, Job, Memory, tell
from numalocal.engines.arguments import value
from numalocal.engines.vllm_memory import OVERHEAD_BYTES, SHM_BYTES_PER_RANK
from numalocal.sets.memoryask import MemoryAsk
from numalocal.sets.near import MemoryNodes

from ..conftest import GIB

ANCIENT = "vllm/vllm-openai-cpu:v0.9.1"
NEW, OLD, UNKNOWN = "vllm/vllm-openai-cpu:v0.24.0", "reg:5000/vllm:v0.23.1-x", "vllm:latest"


def vllm(image: str = NEW, ranks: int = 2, kv: int | None = None, **memory: int | None) -> Job:
    sizes: dict[str, Any] = {
        "per_rank_bytes": 72 * GIB,
        "limit_bytes": 150 * GIB,
        "node_bytes": 512 * GIB,
    }
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


SIZE, SPACE = "--kv-cache-memory-bytes", "VLLM_CPU_KVCACHE_SPACE"


@pytest.mark.parametrize(
    ("image", "command", "kv", "size", "space"),
    [
        pytest.param(NEW, "vllm serve", 24 * GIB, str(24 * GIB), "24", id="both ways"),
        pytest.param(UNKNOWN, "vllm serve", GIB, str(GIB), "1", id="no version"),
        pytest.param(NEW, "vllm serve", GIB + 1, str(GIB + 1), None, id="not rounded down"),
        pytest.param(NEW, "vllm serve", GIB // 2, str(GIB // 2), None, id="never 0 GiB"),
        pytest.param(NEW, "python3 app.py", GIB, None, "1", id="a program of one's own"),
        pytest.param(NEW, "python3 app.py", 3 * GIB - 1, None, "2", id="rounded down"),
        pytest.param(NEW, "python3 app.py", GIB - 1, None, None, id="nothing to tell"),
        pytest.param(NEW, "sh -c serve", GIB, None, "1", id="a script"),
        pytest.param(ANCIENT, "vllm serve", 16 * GIB, None, "16", id="v0.9 has no option"),
        pytest.param(
            "x/vLLM-cpu:v0.19.1", "vllm serve", 16 * GIB, None, "16", id="v0.19 ignores it"
        ),
        pytest.param(
            "vllm-openai-cpu:0.20.0-cpu", "vllm serve", GIB, str(GIB), "1", id="v0.20 obeys it"
        ),
        pytest.param("acme/chat:0.3", "vllm serve", GIB, str(GIB), "1", id="a tag of another"),
        pytest.param("vllm:cpu-v0.19@sha256:1", "vllm serve", GIB, None, "1", id="a digest"),
    ],
)
def test_a_kv_cache_is_told_in_every_way_that_arrives(
    image: str, command: str, kv: int, size: str | None, space: str | None
) -> None:
    told = tell(replace(vllm(image, kv=kv), command=tuple(command.split())))

    assert value(told.arguments, SIZE) == size
    assert told.variables.get(SPACE) == space
    assert value(told.arguments, "--gpu-memory-utilization") is None
    lost = size is None and kv % GIB
    assert any("takes whole GiB" in note for note in told.notes) is bool(lost)


@pytest.mark.parametrize("command", ["vllm serve", "python3 app.py"])
@pytest.mark.parametrize("own", [SIZE, SPACE])
def test_a_kv_cache_of_the_users_is_not_told_again(command: str, own: str) -> None:
    job = replace(vllm(kv=GIB), command=tuple(command.split()))
    args = (f"{own}=7",) if own == SIZE else ()
    variables = {} if args else {own: "7"}

    told = tell(replace(job, args=args, variables=variables))

    assert value(told.arguments, SIZE) is None
    assert told.variables == {}
    assert any(note.startswith(f"{own} is the worker's own") for note in told.notes)


def test_vllm_before_v0_20_takes_no_fraction() -> None:
    told = tell(vllm(ANCIENT))

    assert value(told.arguments, "--gpu-memory-utilization") is None
    assert any("say spec.memory.kvCache" in note for note in told.notes)


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


@pytest.mark.parametrize(
    ("words", "variables", "nodes", "noted"),
    [
        ((), {}, MemoryNodes.NEAR, True),
        ((), {}, MemoryNodes.LOCAL, False),
        (("--no-mmap",), {}, MemoryNodes.NEAR, False),
        ((), {"LLAMA_ARG_NO_MMAP": "1"}, MemoryNodes.NEAR, False),
    ],
)
def test_weights_that_are_mapped_lie_where_they_were_read(
    words: tuple[str, ...],
    variables: dict[str, str],
    nodes: MemoryNodes,
    noted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    job = Job(
        settings=EngineSettings(name="llama.cpp"),
        command=("llama-server", "-m", "x", *words),
        variables=variables,
        memory=Memory(ask=MemoryAsk(nodes=nodes)),
    )

    assert any("--no-mmap" in note for note in tell(job).notes) == noted
