"""What every engine is told: one golden file for each, made anew with NUMALOCAL_GOLDEN=write."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from numalocal import engines
from numalocal.engines import ENGINES, EngineSettings, Job, Memory
from numalocal.idset import IdSet
from numalocal.machine.model import NumaNode
from numalocal.sets.assignment import Assignment
from numalocal.sets.memoryask import MemoryAsk, MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool
from numalocal.sets.reach import reach

from ..conftest import GIB, make_machine

GOLDEN = Path(__file__).parents[2] / "golden" / "engines"
CXL = NumaNode(id=2, cpus=IdSet(), memory_bytes=512 * GIB, distances={0: 14, 1: 24, 2: 10})
PLAIN = make_machine(nodes=2, cores=4, memory_bytes=256 * GIB)
MACHINE = PLAIN._replace(
    nodes=(
        *(
            node._replace(distances={**node.distances, 2: 14 + 10 * node.id})
            for node in PLAIN.nodes
        ),
        CXL,
    ),
    allowed_nodes=IdSet.of(range(3)),
)
BOTH = Assignment.of(partition(MACHINE, [Pool(name="cpuset")]).sets)
ONE = Assignment(BOTH.sets[:1])

IMAGE = "registry:5000/vllm:v0.32.0"
COMMANDS = {name: (name,) for name in ENGINES} | {
    "vllm": ("vllm", "serve", "model"),
    "sglang": ("python3", "-m", "sglang.launch_server"),
    "llama.cpp": ("llama-server", "-m", "model"),
    "pytorch": ("torchrun", "train.py"),
}
PROGRAMS = {
    "vllm": {
        "its module": "python3 -m vllm.entrypoints.openai.api_server --model model",
        "a program around LLM(...)": "python3 app.py",
        "a client": "vllm chat --url x",
        "a file of options": "vllm serve model --config x.yaml",
        "a file of the user's": "/start.sh model",
        "behind wrappers": "tini -- numactl -l vllm serve model",
    },
    "sglang": {"its command": "sglang serve --model-path m", "sgl.Engine(...)": "python3 app.py"},
    "llama.cpp": {
        "serve": "llama serve -m model",
        "bench": "llama-bench -m model",
        "rpc-server": "/app/rpc-server -H 0.0.0.0",
        "the Python server": "python3 -m llama_cpp.server --model model",
        "a program on its library": "python3 app.py",
        "the image with all tools": "/app/tools.sh --bench -m model",
        "no program of it": "llamafile -m model",
    },
    "ovms": {"a file of models": "ovms --config_path x"},
}

ASKED = {
    "in the tier alone": MemoryAsk(nodes=MemoryNodes.MEMORY_ONLY),
    "the tier as overflow": MemoryAsk(nodes=MemoryNodes.NEAR),
    "interleaved where its node does not hold it": MemoryAsk(on_overflow=Overflow.INTERLEAVE),
    "its node preferred": MemoryAsk(policy=MemoryPolicy.PREFERRED),
}
"""What can be asked of the memory of a rank that is larger than its node."""

OWN = (
    *("--tensor-parallel-size=2", "--tp-size", "2", "--gpu-memory-utilization", "0.5"),
    *("--mem-fraction-static=0.5", "-t", "3", "--numa", "isolate", "--plugin_config", "{}"),
)
"""A command in which somebody says himself what the engines could be told."""


def job(name: str, **given: Any) -> Job:
    memory = Memory(per_rank_bytes=64 * GIB, limit_bytes=150 * GIB, node_bytes=256 * GIB)
    settings = EngineSettings(name=name)
    usual: dict[str, Any] = {"settings": settings, "command": COMMANDS[name], "memory": memory}
    return Job(**{**usual, **given})


def scenarios(name: str) -> Iterator[tuple[str, Job, Assignment]]:
    yield "one rank", job(name, memory=Memory()), ONE
    yield "two ranks of 64 GiB in a pod of 150 GiB", job(name, ranks=2), BOTH
    reserved = EngineSettings(name=name, reserved_cores=2)
    yield "two ranks, two cores reserved", job(name, ranks=2, settings=reserved), BOTH
    threads = {"OMP_NUM_THREADS": "4", "OMP_PLACES": "cores"}
    yield (
        "two ranks, much of it the user's own",
        job(name, ranks=2, command=(*COMMANDS[name], *OWN), variables=threads),
        BOTH,
    )
    yield (
        "one rank, started by a shell",
        job(name, command=("sh", "-c", f"exec {' '.join(COMMANDS[name])}")),
        ONE,
    )
    yield "one rank, the image's own command", job(name, command=()), ONE
    yield "one rank, args for the image's command", job(name, command=(), args=("-x",)), ONE
    for title, asked in ASKED.items():
        memory = Memory(per_rank_bytes=300 * GIB, limit_bytes=310 * GIB, ask=asked)
        yield f"one rank of 300 GiB, {title}", job(name, memory=memory), ONE
    near = Memory(ask=MemoryAsk(nodes=MemoryNodes.ANY), sealed=True)
    yield "two ranks with memory of any node, under seccomp", job(name, ranks=2, memory=near), BOTH
    cache = EngineSettings(name=name, kv_cache_bytes=24 * GIB)
    for title, program in PROGRAMS.get(name, {}).items():
        yield title, job(name, command=program.split(), settings=cache, image=IMAGE), ONE


def described(name: str) -> str:
    lines = []
    for title, one, assignment in scenarios(name):
        told = engines.tell(one)
        reached = reach(assignment, MACHINE, one.memory.ask, one.memory.per_rank_bytes)
        variables = engines.variables(one, assignment, MACHINE, reach=reached)
        lines += [f"# {title}"]
        lines += [f"{key}={value}" for key, value in sorted(variables.items())]
        lines += [f"variable: {key}={value}" for key, value in told.variables.items()]
        lines += [" ".join(("arguments:", *told.arguments))] if told.arguments else []
        lines += [*(f"note: {note}" for note in told.notes), ""]
    return "\n".join(lines)


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_is_told_what_its_golden_file_says(name: str) -> None:
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("NUMALOCAL_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(described(name))

    assert described(name) == file.read_text()


def test_there_is_no_golden_file_without_an_engine() -> None:
    assert sorted(file.stem for file in GOLDEN.iterdir()) == sorted(ENGINES)
