"""Whatever a user writes, and however: it is read, and what he says himself is never doubled."""

import shlex
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numalocal import engines
from numalocal.engines import ENGINES, EngineSettings, Job, Memory, program, tell, variables
from numalocal.sets.assignment import Assignment
from numalocal.sets.partition import partition
from numalocal.sets.pools import Pool

from ..conftest import GIB, make_machine

MACHINE = make_machine(nodes=2, cores=4)
BOTH = Assignment.of(partition(MACHINE, [Pool(name="cpuset")]).sets)

PROGRAMS = {name: (name,) for name in ENGINES} | {
    "vllm": ("vllm", "serve", "model"),
    "sglang": ("python3", "-m", "sglang.launch_server"),
    "llama.cpp": ("/app/llama-server",),
}
WRAPPERS = (
    (),
    ("tini", "--"),
    ("numactl", "-C", "0-3", "--membind=0"),
    ("env", "X=y", "taskset", "-c", "1"),
)


def job(name: str, *command: str, kv: int | None = None, **given: Any) -> Job:
    return Job(
        settings=EngineSettings(name=name, kv_cache_bytes=kv),
        ranks=2,
        command=command,
        memory=Memory(per_rank_bytes=8 * GIB, limit_bytes=32 * GIB, node_bytes=64 * GIB),
        **given,
    )


def told_options(name: str, kv: int | None) -> Iterator[tuple[str, str]]:
    """Give each argument that an engine is told, with each name that says the same."""
    engine = engines.adapter(name)
    for option in engine.options(program.find(job(name, *PROGRAMS[name], kv=kv), engine)):
        yield from ((option.name, own) for own in (option.name, *option.unless))


def told_variables(name: str) -> Iterator[tuple[str, str]]:
    for variable, others in engines.adapter(name).speaks.items():
        yield from ((variable, own) for own in (variable, *others))


def spellings(name: str, option: str) -> Iterator[tuple[str, ...]]:
    yield (f"{option}=7",)
    yield (option, "7")
    if option.startswith("--"):
        yield ("--" + option[2:].replace("-", "_"), "7")
        yield (f"{option}.key", "7")
    if option in engines.adapter(name).abbreviated and len(option) > len("-n"):
        yield (option[:-1], "7")


OPTIONS = sorted(
    {
        (name, ours, own)
        for name in ENGINES
        for kv in (None, GIB + 1)
        for ours, own in told_options(name, kv)
    }
)
VARIABLES = [(name, ours, own) for name in ENGINES for ours, own in told_variables(name)]


@pytest.mark.parametrize("before", WRAPPERS)
@pytest.mark.parametrize(("name", "ours", "own"), OPTIONS)
def test_an_argument_of_the_users_is_never_given_again(
    name: str, ours: str, own: str, before: tuple[str, ...]
) -> None:
    if not own.startswith("-"):
        assert ours not in tell(job(name, *PROGRAMS[name], variables={own: "7"})).arguments
        return
    for words in spellings(name, own):
        for kv in (None, GIB + 1):
            told = tell(job(name, *before, *PROGRAMS[name], *words, kv=kv))

            assert ours not in told.arguments, words
            assert not any("not added" in note and f"{ours} " in note for note in told.notes)


@pytest.mark.parametrize(("name", "ours", "own"), VARIABLES)
def test_a_variable_is_not_given_where_the_user_says_the_same(
    name: str, ours: str, own: str
) -> None:
    if own.startswith("-"):
        ways = [job(name, *PROGRAMS[name], *words, args=()) for words in spellings(name, own)] + [
            job(name, "sh", "-c", shlex.join([*PROGRAMS[name], *words]))
            for words in spellings(name, own)
        ]
    else:
        program = shlex.join(PROGRAMS[name])
        ways = [
            job(name, *PROGRAMS[name], variables={own: "7"}),
            job(name, *PROGRAMS[name], variables={own: None}),
            job(name, "env", f"{own}=7", *PROGRAMS[name]),
            job(name, "sh", "-c", f"{own}=7 exec {program}"),
            job(name, "bash", "-euc", f"export {own}='7'\n{program}"),
        ]
    for one in ways:
        assert ours not in variables(one, BOTH, MACHINE)


def test_a_spelling_of_another_option_takes_nothing_away() -> None:
    told = tell(job("vllm", *PROGRAMS["vllm"], "--tensor-parallel-sizes=2", "--gpu=x", "-t8"))

    assert "--tensor-parallel-size" in told.arguments


WORDS = st.one_of(
    st.sampled_from(
        [
            *("sh", "-c", "bash", "-ec", "env", "A=B", "numactl", "-C", "--", "tini", "exec"),
            *("python3", "-m", "vllm", "serve", "vllm.entrypoints.x", "sglang.launch_server"),
            *("llama-server", "llama-bench", "rpc-server", "--bench", "llama", "ovms", "torchrun"),
            *("--tensor-parallel-size", "--tp=2", "--tp=x", "-tp", "--dp", "--nnodes=0", "-t"),
            *("--config", "--kv-cache-memory-bytes", "--cpu-mask=ff", "$(X)", "$@", '"', "'"),
            *("exec vllm serve $M -tp 2", "A=1 sglang serve --tp=$A", "x; y | z\n#", "$(", "<<E"),
        ]
    ),
    st.text(max_size=8),
)


def odd_job(name: str, command: list[str], args: list[str], **given: Any) -> Job:
    return job(name, *command, args=tuple(args), **given)


@settings(max_examples=300)
@given(
    one=st.builds(
        odd_job,
        name=st.sampled_from(ENGINES),
        command=st.lists(WORDS, max_size=8),
        args=st.lists(WORDS, max_size=5),
        variables=st.dictionaries(st.text(max_size=4), st.none() | st.text(max_size=8), max_size=3),
        kv=st.none() | st.integers(1, 4 * GIB),
        image=st.sampled_from(
            ["", "x", ":", "vllm:v0.9.1", "x/llama.cpp:full", "vllm:0.9999999999.1@"]
        ),
    )
)
def test_no_command_line_is_too_odd(one: Job) -> None:
    told = tell(one)
    given = {**told.variables, **variables(one, BOTH, MACHINE)}

    assert all(told.arguments)
    assert all(note.strip() and "\0" not in note and "\1" not in note for note in told.notes)
    assert all(given.values())
    assert not given.keys() & one.variables.keys()


@pytest.mark.no_cover
@pytest.mark.parametrize("name", ["vllm", "llama.cpp", "openmp"])
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("vllm", *(["--tp=2"] * 100_000)), id="many options"),
        pytest.param(("x" * 1_000_000,), id="a long word"),
        pytest.param(tuple(["env"] * 100_000), id="many wrappers"),
        pytest.param(("sh", "-c", "vllm serve -tp 2;" * 60_000), id="many commands"),
        pytest.param(("sh", "-c", "sh -c 'x';" * 900), id="many shells"),
        pytest.param(("$(" * 500_000,), id="many references"),
        pytest.param(("vllm", "--a=" + "." * 900_000, "-" * 900_000), id="odd options"),
    ],
)
def test_a_long_command_line_takes_no_long_time(name: str, command: tuple[str, ...]) -> None:
    begun = time.process_time()

    tell(job(name, *command))

    assert time.process_time() - begun < 5
