"""Each program of an engine is told what it reads, in the way that it reads it."""

import pytest

from numalocal.engines import (
    ENGINES,
    EngineSettings,
    Job,
    Memory,
    adapter,
    program,
    tell,
    variables,
)
from numalocal.sets.assignment import Assignment
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool

from ..conftest import GIB, make_machine

MACHINE = make_machine(nodes=2, cores=4)
ONE = Assignment(Assignment.of(partition(MACHINE, [Pool(name="cpuset")]).sets).sets[:1])
MASK = ["--cpu-mask", "--cpu-strict"]


def job(name: str, command: str, image: str = "", ranks: int = 1, kv: int | None = None) -> Job:
    """Make a job; a command that begins with a blank is args for the image's entry point."""
    words = tuple(command.split())
    own = not command.startswith(" ")
    return Job(
        settings=EngineSettings(name=name, kv_cache_bytes=kv),
        ranks=ranks,
        command=words if own else (),
        args=() if own else words,
        image=image,
    )


def added(one: Job) -> list[str]:
    return list(tell(one).arguments[::2])


@pytest.mark.parametrize(
    ("command", "image", "options"),
    [
        ("/app/llama-server -m x", "", MASK),
        ("llama-cli -m x", "", MASK),
        ("./server -c 512", "", MASK),
        ("llama serve -m x", "", MASK),
        ("llama bench -m x", "", ["--threads", *MASK]),
        ("llama quantize a b", "", []),
        ("llama", "", []),
        ("llama-perplexity -f x", "", MASK),
        ("llama-bench -m x", "", ["--threads", *MASK]),
        ("llama-bench -t 4,8", "", MASK),
        ("llama-bench --threads 4 -C 0xf", "", []),
        ("rpc-server -c", "", ["--threads"]),
        ("/app/ggml-rpc-server -t 4", "", []),
        ("python3 -m llama_cpp.server", "", []),
        ("uvicorn --factory llama_cpp.server.app:create_app", "", []),
        ("python3 app.py", "", []),
        ("llamafile -m x", "", []),
        ("koboldcpp --threads 4", "", []),
        ("llama-quantize a b", "", []),
        ("/app/tools.sh --server -m x", "", MASK),
        ("/app/tools.sh --quantize a b", "", []),
        (" -m x", "ghcr.io/ggml-org/llama.cpp:server", MASK),
        (" -m x", "ghcr.io/ggml-org/llama.cpp:light-b1", MASK),
        (" --server -m x", "ghcr.io/ggml-org/llama.cpp:full", MASK),
        (" -s -m x", "ghcr.io/ggml-org/llama.cpp:full-b6000", MASK),
        (" --bench -m x", "ghcr.io/ggml-org/llama.cpp:full", ["--threads", *MASK]),
        (" --bench -m x", "reg:5000/mirror", ["--threads", *MASK]),
        (" --convert x", "ghcr.io/ggml-org/llama.cpp:full", []),
        (" -m x", "ghcr.io/ggml-org/llama.cpp:full", []),
        (" llama-bench -m x", "", ["--threads", *MASK]),
        (" python3 -m llama_cpp.server", "", []),
    ],
)
def test_llama_cpps_programs_get_the_options_that_they_know(
    command: str, image: str, options: list[str]
) -> None:
    assert added(job("llama.cpp", command, image)) == options


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("llama-server", {"LLAMA_ARG_THREADS", "LLAMA_ARG_THREADS_BATCH", "LLAMA_ARG_NUMA"}),
        ("llama-server -t 3", {"LLAMA_ARG_THREADS_BATCH", "LLAMA_ARG_NUMA"}),
        ("llama-server --numa_x -tb 3", {"LLAMA_ARG_THREADS", "LLAMA_ARG_NUMA"}),
        ("rpc-server", set()),
        ("llama-bench", set()),
        ("python -m llama_cpp.server", {"N_THREADS", "N_THREADS_BATCH"}),
        ("python -m llama_cpp.server --n_threads 3", {"N_THREADS_BATCH"}),
        ("env n_threads=2 python -m llama_cpp.server", {"N_THREADS_BATCH"}),
        ("unknown", {"LLAMA_ARG_THREADS", "LLAMA_ARG_THREADS_BATCH", "LLAMA_ARG_NUMA"}),
    ],
)
def test_llama_cpps_programs_get_the_variables_that_they_read(command: str, told: set[str]) -> None:
    given = variables(job("llama.cpp", command), ONE, MACHINE)

    assert {name for name in given if not name.startswith("NUMALOCAL_")} == told


def test_variables_that_a_program_does_not_read_are_told() -> None:
    one = Job(
        settings=EngineSettings(name="llama.cpp", reserved_cores=1),
        command=("rpc-server",),
        variables={"LLAMA_ARG_THREADS": "4"},
    )

    assert tell(one).notes == (
        "LLAMA_ARG_THREADS is set, and rpc-server reads no variable",
        "spec.engine.reservedCores cannot be told to rpc-server: its threads are counted before "
        "the engine is known; say --threads yourself",
    )


SERVES = ["--tensor-parallel-size", "--kv-cache-memory-bytes"]


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("vllm serve m", SERVES),
        ("/opt/venv/bin/vllm serve m", SERVES),
        ("python3 /opt/venv/bin/vllm serve m", SERVES),
        ("python3 -m vllm.entrypoints.openai.api_server --model m", SERVES),
        ("python -m vllm.entrypoints.cli.main serve m", SERVES),
        ("vllm run-batch -i x", SERVES),
        ("vllm bench throughput", SERVES),
        ("vllm bench serve", []),
        ("vllm chat", []),
        ("vllm collect-env", []),
        ("python3 app.py", []),
        ("python3 -c pass", []),
        ("/start.sh m", []),
        ("vllm serve m --config x.yaml", []),
        ("vllm serve -- m", []),
        ("tini -- vllm serve m", SERVES),
        (" m", SERVES),
        (" --model m", SERVES),
        (" serve m", SERVES),
        (" vllm serve m", SERVES),
        (" vllm bench serve", []),
        (" python3 app.py", []),
        (" bash -c serve", []),
        ("", []),
    ],
)
def test_vllms_programs_get_the_options_that_they_know(command: str, options: list[str]) -> None:
    assert added(job("vllm", command, ranks=2, kv=GIB)) == options


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("python3 -m sglang.launch_server", ["--device", "--tp-size"]),
        ("sglang serve", ["--device", "--tp-size"]),
        ("python3 -m sglang.bench_one_batch", ["--device", "--tp-size"]),
        ("python3 -m sglang.bench_serving", []),
        ("python3 app.py", []),
        ("sglang version", []),
        (" --model-path x", ["--device", "--tp-size"]),
        (" python3 -m sglang.launch_server --tp 2", ["--device"]),
        ("python3 -m sglang.launch_server --config x.yaml", []),
    ],
)
def test_sglangs_programs_get_the_options_that_they_know(command: str, options: list[str]) -> None:
    assert added(job("sglang", command, ranks=2)) == options


@pytest.mark.parametrize(
    ("name", "arguments", "ranks"),
    [
        ("vllm", "--tensor-parallel-size=4", 4),
        ("vllm", "-tp 4", 4),
        ("vllm", "-tp=4", 4),
        ("vllm", "--tensor_parallel_size 4", 4),
        ("vllm", "--tensor-parallel 4", 4),
        ("vllm", "-tp 2 -pp 2", 4),
        ("vllm", "-tp 2 --data-parallel-size=4", 8),
        ("vllm", "-tp 2 -dp 4 -dpl 2", 4),
        ("vllm", "-tp 8 --nnodes 2", 4),
        ("vllm", "-tp 8 -n2", 4),
        ("vllm", "-pcp 4", 4),
        ("vllm", "-tp 2", None),
        ("vllm", "-dp 2", None),
        ("vllm", "-tp $(NUMALOCAL_RANKS)", None),
        ("vllm", "-tp auto", None),
        ("vllm", "--tensor-parallel-sizes 4", None),
        ("vllm", "-tp 1 --config x.yaml", None),
        ("sglang", "--tp=4", 4),
        ("sglang", "--tp 4", 4),
        ("sglang", "--tp-size 4", 4),
        ("sglang", "--tensor-parallel-size 4", 4),
        ("sglang", "--tp 2 --dp 2", 4),
        ("sglang", "--dp-size 4", 4),
        ("sglang", "--tp 2 --pp-size 2", 4),
        ("sglang", "--tp 2 --pipeline-parallel-size 3", 6),
        ("sglang", "--tp 8 --nnodes 2", 4),
        ("sglang", "--tp 2 --dp 2 --enable-dp-attention", None),
        ("sglang", "--tp 2 --ep 2", None),
        ("sglang", "--tp $(X)", None),
        ("sglang", "--tp 2", None),
    ],
)
@pytest.mark.parametrize("shell", [False, True])
def test_another_number_of_ranks_is_said(
    name: str, arguments: str, ranks: int | None, *, shell: bool
) -> None:
    serve = f"{name} serve {arguments}"
    one = job(name, serve, ranks=2)
    if shell:
        one = Job(settings=one.settings, ranks=2, command=("sh", "-c", f"exec {serve} >log"))

    said = [note for note in tell(one).notes if "start" in note and "ranks" in note]

    assert [f"say ranks: {ranks}" in note for note in said] == ([True] if ranks else [])


def test_the_workers_own_number_of_ranks_needs_no_note() -> None:
    script = 'exec vllm serve m --tensor-parallel-size="2"'
    settings = EngineSettings(name="vllm")

    told = tell(Job(settings=settings, ranks=2, command=("sh", "-c"), args=(script,)))

    assert told.notes == ()


@pytest.mark.parametrize(
    ("command", "notes"),
    [
        ("if [ $X ]; then vllm serve m -tp 4; else vllm serve m -tp 2; fi", False),
        ("python3 prepare.py && vllm serve m -tp 4", True),
        ("vllm chat; vllm serve m -tp 4", True),
        ("echo -tp 4; vllm serve m", False),
        ("vllm serve $MODEL -tp 4", True),
        ("vllm serve m -tp 4 $ARGS", False),
    ],
)
def test_what_two_commands_or_unknown_words_say_is_no_guess(command: str, *, notes: bool) -> None:
    one = Job(settings=EngineSettings(name="vllm"), ranks=2, command=("sh", "-c", command))

    assert any("start 4 ranks" in note for note in tell(one).notes) is notes


def test_what_somebody_says_in_vain_is_said() -> None:
    def notes(name: str, variable: str) -> str:
        settings = EngineSettings(name=name)
        return " ".join(tell(Job(settings=settings, args=("x",), variables={variable: "4"})).notes)

    assert "say spec.engine.reservedCores" in notes("vllm", "VLLM_CPU_NUM_OF_RESERVED_CPU")
    assert "OLLAMA_NUM_THREADS is set, and Ollama has no such" in notes(
        "ollama", "OLLAMA_NUM_THREADS"
    )
    assert "OMP_NUM_THREADS is set, and the threads of OpenVINO" in notes("ovms", "OMP_NUM_THREADS")
    assert "takes no number from a variable" in notes("tei", "X")


@pytest.mark.parametrize(
    ("command", "binder"),
    [
        ("numactl -C 0-3 vllm serve m", "numactl"),
        ("env A=B /usr/bin/taskset -c 0-3 vllm serve m", "taskset"),
        ("python3 -m torch.backends.xeon.run_cpu app.py", "torch.backends.xeon.run_cpu"),
        ("ipexrun app.py", "ipexrun"),
        ("vllm serve numactl", None),
    ],
)
def test_who_binds_himself_is_told_to_leave_it(command: str, binder: str | None) -> None:
    notes = tell(job("vllm", command)).notes

    assert [note for note in notes if "binds before it is known" in note] == (
        [f"{binder} binds before it is known where the engine comes to lie: leave it out"]
        if binder
        else []
    )


@pytest.mark.parametrize("name", ENGINES)
def test_variables_that_cannot_be_seen_are_said(name: str) -> None:
    one = Job(
        settings=EngineSettings(name=name),
        args=("x",),
        variables=dict.fromkeys(adapter(name).speaks),
        env_from=True,
    )

    notes = tell(one).notes

    assert any("envFrom may set variables that are not seen here" in note for note in notes)
    for variable in adapter(name).speaks:
        unseen = f"{variable} is the worker's own, of a value that is not known here"
        assert any(note.startswith(unseen) for note in notes)
    assert not adapter(name).speaks.keys() & variables(one, ONE, MACHINE).keys()


def test_a_program_is_found_in_a_script_that_starts_something_else_first() -> None:
    script = "export HF_HOME=/x\npython3 fetch.py\nnumactl -l vllm serve m --port 80 &\nwait"
    one = Job(settings=EngineSettings(name="vllm"), command=("sh", "-c", script))

    found = program.find(one, adapter("vllm"))

    assert (found.program.name, found.command.words) == (
        "vllm serve",
        ("serve", "m", "--port", "80"),
    )


def test_a_kv_transfer_is_found_in_any_spelling() -> None:
    def computing(command: str) -> str:
        one = Job(
            settings=EngineSettings(name="vllm"), command=("sh", "-c", command), memory=Memory()
        )
        return variables(one, ONE, MACHINE)["VLLM_CPU_OMP_THREADS_BIND"]

    assert computing("vllm serve m") == "3,5"
    assert computing("vllm serve m --kv_transfer_config.kv_role=x") == "3"
