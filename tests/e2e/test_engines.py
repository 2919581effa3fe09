"""Engines are told their place by the kubelet and the agent, each in its own language."""

import re
from collections.abc import Iterator

import pytest

from lab.cluster import Lab
from workers import Workers

# Prints what it is told.  The image has no entry point, so its args are what runs; numalocal takes
# them for those of an entry point that it does not know.
TOLD = """exec "sh", "-c", q(env; df -k /dev/shm; echo "told $*"; exec sleep infinity), @ARGV"""
SERVE = ("/usr/bin/perl", "-e", TOLD, "serve", "model")


def test_vllm_is_told_every_ranks_list_its_ranks_and_its_kv_cache(workers: Workers) -> None:
    workers.create(
        "vllm",
        args=SERVE,
        env={"CPU_VISIBLE_MEMORY_NODES": "1"},
        ranks=2,
        engine={"name": "vllm", "reservedCores": 0},
        memory={"kvCache": "64Mi"},
    )
    status = workers.wait_ready("vllm")
    log = workers.wait_log("vllm", "told ")

    assert "VLLM_CPU_OMP_THREADS_BIND=3|7\n" in log
    assert "CPU_VISIBLE_MEMORY_NODES=1\n" in log
    assert not re.search(r"^(OMP|GOMP|KMP)_", log, re.MULTILINE)
    assert "told model --tensor-parallel-size 2 --kv-cache-memory-bytes 67108864\n" in log
    assert re.search(r"^tmpfs +2097152 .* /dev/shm$", log, re.MULTILINE)
    assert status["notes"] == ["CPU_VISIBLE_MEMORY_NODES is the worker's own"]


@pytest.fixture(scope="module")
def beside(lab: Lab) -> Iterator[Workers]:
    """Give the workers `llama` and `ollama`."""
    made = Workers(lab)
    made.create("llama", args=SERVE, engine={"name": "llama.cpp"})
    made.create("ollama", engine={"name": "ollama"})
    yield made
    made.delete_all()


def test_arguments_are_told_with_what_is_known_at_the_containers_creation(beside: Workers) -> None:
    beside.wait_ready("llama")
    log = beside.wait_log("llama", "told ")

    mask = "0x8" if "NUMALOCAL_CPUS=2-3\n" in log else "0x80"
    assert f"told model --cpu-mask {mask} --cpu-strict 1\n" in log
    assert {"LLAMA_ARG_THREADS=1", "LLAMA_ARG_NUMA=numactl"} <= set(log.splitlines())


def test_what_an_engine_cannot_be_told_is_in_the_status(beside: Workers) -> None:
    status = beside.wait_ready("ollama")

    (note,) = status["notes"]
    assert "PARAMETER num_thread N" in note
