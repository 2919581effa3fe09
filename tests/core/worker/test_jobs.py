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
