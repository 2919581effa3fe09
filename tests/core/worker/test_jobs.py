from typing import Any

import pytest

from numalocal.worker import jobs
from numalocal.worker.ask import Ask
from numalocal.worker.containers import Container
from numalocal.worker.spec import parse_worker

from ..conftest import GIB


def asked(container: dict[str, Any] | None = None, **spec: Any) -> tuple[Ask, Container]:
    engine = {"name": "engine", "image": "vllm:v0.24.0", **(container or {})}
    template = {"spec": {"containers": [{"name": "proxy"}, engine]}}
    usual = {"ranks": 2, "engine": {"name": "vllm"}, "memory": {"perRank": "64Gi"}}
    worker = parse_worker(
        {"metadata": {"name": "llama"}, "spec": {**usual, "template": template, **spec}}
    )
    return worker.ask, worker.template.engine


def test_a_job_is_the_engine_containers() -> None:
    made = jobs.job(
        *asked({"command": ["vllm"], "args": ["serve"], "env": [{"name": "A", "value": "1"}]}),
        limit_bytes=1,
        node_bytes=2,
        host_bytes=3,
    )

    assert (made.ranks, made.command, made.variables, made.image) == (
        2,
        ("vllm",),
        {"A": "1"},
        "vllm:v0.24.0",
    )
    assert (made.args, made.argv) == (("serve",), ("vllm", "serve"))
    assert (made.memory.per_rank_bytes, made.memory.limit_bytes) == (64 * GIB, 1)
    assert (made.memory.node_bytes, made.memory.host_bytes) == (2, 3)


def test_a_variable_from_elsewhere_is_set_and_its_value_unknown() -> None:
    entries = [
        {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "B"},
        {"name": "C", "value": None},
    ]

    made = jobs.job(*asked({"env": entries, "envFrom": [{"configMapRef": {"name": "x"}}]}))

    assert made.variables == {"A": None, "B": "", "C": ""}
    assert made.env_from


@pytest.mark.parametrize(
    ("container", "limit_bytes"),
    [
        pytest.param({}, 130 * GIB, id="ranks and what they share"),
        pytest.param(
            {"volumeMounts": [{"name": "x", "mountPath": "/dev/shm"}]}, 128 * GIB, id="own /dev/shm"
        ),
        pytest.param(
            {"resources": {"limits": {"memory": "200Gi"}}}, 200 * GIB, id="the template's limit"
        ),
        pytest.param(
            {"resources": {"requests": {"memory": "160Gi"}}}, 160 * GIB, id="a larger request"
        ),
        pytest.param(
            {"resources": {"requests": {"memory": "0"}}}, 130 * GIB, id="a request that is none"
        ),
        pytest.param(
            {"resources": {"requests": {"memory": None}}}, 130 * GIB, id="a request that is null"
        ),
        pytest.param(
            {"volumeMounts": [{"name": "x", "mountPath": "/dev/shm/"}]},
            128 * GIB,
            id="with a slash",
        ),
    ],
)
def test_the_memory_limit(container: dict[str, Any], limit_bytes: int) -> None:
    assert jobs.memory_limit_bytes(*asked(container)) == limit_bytes


def test_without_a_size_there_is_no_limit() -> None:
    assert jobs.memory_limit_bytes(*asked(memory={})) is None


def test_an_engine_that_shares_nothing_gets_no_shared_memory() -> None:
    assert jobs.shm_bytes(*asked(engine={"name": "openmp"})) == 0


def per_rank(
    container: dict[str, Any] | None = None, set_bytes: int | None = 10 * GIB, **spec: Any
) -> int | None:
    """Give what each of two ranks is sized by where the worker says no memory."""
    ask, engine = asked(container, **{"memory": {}, **spec})
    return jobs.sized(ask, engine, set_bytes).memory_per_rank_bytes


def test_without_an_amount_ranks_have_their_sets_memory_less_what_they_share() -> None:
    assert per_rank() == 9 * GIB
    assert per_rank(engine={"name": "openmp"}) == 10 * GIB
    assert per_rank(set_bytes=None) is None


@pytest.mark.parametrize(
    ("memory", "given"),
    [
        ({"nodes": "MemoryOnly"}, None),
        ({"nodes": "MemoryOnly", "policy": "Interleave"}, None),
        ({"nodes": "MemoryOnly", "policy": "Preferred"}, 9 * GIB),
        ({"nodes": "Near"}, 9 * GIB),
        ({"nodes": "MemoryOnly", "perRank": "4Gi"}, 4 * GIB),
    ],
)
def test_what_a_set_brings_says_nothing_of_a_tier(
    memory: dict[str, str], given: int | None
) -> None:
    assert per_rank(memory=memory) == given


def test_the_limit_is_then_the_memory_of_all_sets() -> None:
    ask, engine = asked(memory={})

    assert jobs.memory_limit_bytes(jobs.sized(ask, engine, 10 * GIB), engine) == 20 * GIB


def test_an_amount_that_is_said_counts_alone() -> None:
    assert per_rank(memory={"perRank": "64Gi"}) == 64 * GIB


def test_ranks_keep_within_the_containers_own_limit() -> None:
    own = {"resources": {"limits": {"memory": "8Gi"}}}

    assert per_rank(own) == 3 * GIB
    assert per_rank({"resources": {"limits": {"memory": "80Gi"}}}) == 9 * GIB


@pytest.mark.parametrize(("kv_cache", "said"), [("8Gi", True), ("9Gi", False), ("64Gi", False)])
def test_a_kv_cache_that_does_not_fit_is_not_held_down_by_a_limit_of_ours(
    kv_cache: str,
    said: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    assert (per_rank(memory={"kvCache": kv_cache}) is not None) == said


@pytest.mark.parametrize("set_bytes", [0, 1, GIB])
def test_a_set_with_no_memory_beside_what_ranks_share_says_nothing(set_bytes: int) -> None:
    assert per_rank(set_bytes=set_bytes) is None
