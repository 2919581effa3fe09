import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.engines import EngineSettings
from numalocal.fields import Fields
from numalocal.problems import Problem
from numalocal.sets.memoryask import Enforcement, MemoryAsk, MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes
from numalocal.worker.ask import ASKING, Ask, ask_of, memory_notes, unknown

from ..conftest import GIB


def read(annotations: object) -> tuple[Ask, list[str]]:
    problems: list[Problem] = []
    ask = ask_of(Fields({"annotations": annotations}, "metadata", problems))
    return ask, [str(one) for one in problems]


def ours(**values: str) -> dict[str, str]:
    return {f"numalocal.io/{name.replace('_', '-')}": value for name, value in values.items()}


def test_one_annotation_asks_for_sets_of_the_default_pool() -> None:
    ask, problems = read(ours(cpusets="2"))

    assert problems == []
    assert ask == Ask(
        ranks=2,
        pool="cpuset",
        engine=EngineSettings(),
        memory_per_rank_bytes=None,
        container=None,
    )


def test_all_annotations_are_what_a_workers_spec_says() -> None:
    ask, problems = read(
        ours(
            cpusets=" 2 ",
            pool="small",
            engine="vllm",
            openmp="gnu",
            reserved_cores="1",
            memory="64Gi",
            kv_cache="16Gi",
            container="main",
            memory_policy="WeightedInterleave",
            memory_nodes=" Near ",
            on_overflow="Interleave",
            enforcement="BestEffort",
        )
    )

    assert problems == []
    assert ask == Ask(
        ranks=2,
        pool="small",
        engine=EngineSettings(name="vllm", openmp="gnu", reserved_cores=1, kv_cache_bytes=16 * GIB),
        memory_per_rank_bytes=64 * GIB,
        memory=MemoryAsk(MemoryPolicy.WEIGHTED_INTERLEAVE, MemoryNodes.NEAR, Overflow.INTERLEAVE),
        enforcement=Enforcement.BEST_EFFORT,
        container="main",
    )
    assert ask.memory_bytes == 128 * GIB


@pytest.mark.parametrize(
    ("annotation", "value", "right"),
    [
        ("cpusets", "", "must be a whole number from 1 to 64"),
        ("cpusets", "0", "must be a whole number from 1 to 64"),
        ("cpusets", "-1", "must be a whole number from 1 to 64"),
        ("cpusets", "65", "must be a whole number from 1 to 64"),
        ("cpusets", "1.0", "must be a whole number from 1 to 64"),
        ("cpusets", "٣", "must be a whole number from 1 to 64"),
        ("cpusets", "9" * 5000, "must be a whole number from 1 to 64"),
        ("reserved-cores", "9" * 5000, "must be a whole number from 0 to 1024"),
        ("engine", "vlm", "did you mean vllm?"),
        ("engine", "", "must be one of: "),
        ("openmp", "gcc", "must be one of: auto, "),
        ("pool", "Big Pool", "must be 1 to 40 lower-case letters"),
        ("memory", "64", "did you mean 64Gi?"),
        ("memory", "much", "must be an amount of memory such as 64Gi"),
        ("memory", "-1Gi", "must be an amount of memory such as 64Gi"),
        ("kv-cache", "1Gi", "cannot be told to engine none"),
        (
            "memory-policy",
            "bind",
            "must be one of: Bind, Preferred, Interleave, WeightedInterleave",
        ),
        ("memory-policy", "interleave", "did you mean Interleave?"),
        ("memory-policy", "", "must be one of: "),
        ("memory-nodes", "local", "must be one of: Local, Near, MemoryOnly, Package, Any"),
        ("memory-nodes", "0-1", "must be one of: "),
        ("on-overflow", "Ignore", "must be one of: Refuse, Interleave"),
        ("enforcement", "besteffort", "did you mean BestEffort?"),
        ("container", "No Name", "is no container's name"),
    ],
)
def test_what_is_wrong_names_the_annotation_and_what_would_be_right(
    annotation: str, value: str, right: str
) -> None:
    _, problems = read({"numalocal.io/cpusets": "1", f"numalocal.io/{annotation}": value})

    (problem,) = problems
    assert problem.startswith(f"metadata.annotations[numalocal.io/{annotation}]: ")
    assert right in problem
    assert len(problem) < 400


def test_all_problems_are_told_at_once() -> None:
    _, problems = read(ours(cpusets="x", engine="y", memory="z", pool="Ä", container="-"))

    assert len(problems) == 5


def test_a_kv_cache_leaves_room_for_the_weights() -> None:
    _, problems = read(ours(cpusets="1", engine="vllm", memory="16Gi", kv_cache="16Gi"))

    assert problems == [
        "metadata.annotations[numalocal.io/kv-cache]: '16Gi' must be less than annotation "
        "numalocal.io/memory, which holds the weights as well"
    ]


def test_a_kv_cache_may_be_left_to_the_engine() -> None:
    ask, problems = read(ours(cpusets="1", engine="openmp", kv_cache="auto"))

    assert (ask.engine.kv_cache_bytes, problems) == (None, [])


@pytest.mark.parametrize(
    ("memory", "said"),
    [
        ({}, ""),
        ({"on_overflow": "Interleave", "memory": "1Gi"}, ""),
        ({"on_overflow": "Interleave"}, "nothing says how much memory a rank needs"),
        (
            {"on_overflow": "Interleave", "memory": "1Gi", "memory_policy": "Preferred"},
            "adds nothing to memory policy Preferred with nodes Local",
        ),
        (
            {"on_overflow": "Interleave", "memory_nodes": "Any", "memory": "1Gi"},
            "adds nothing to memory policy Bind with nodes Any",
        ),
        ({"memory_nodes": "MemoryOnly", "memory": "1Gi"}, ""),
        ({"memory_nodes": "MemoryOnly"}, "so its engine is told no amount"),
        (
            {"memory_nodes": "MemoryOnly", "memory_policy": "Preferred"},
            "so it is given no more than its CPU set has",
        ),
        ({"memory_nodes": "Near"}, "it is given no more than its CPU set has"),
    ],
)
def test_what_changes_nothing_is_said(memory: dict[str, str], said: str) -> None:
    ask, problems = read(ours(cpusets="1", **memory))

    notes = list(memory_notes(ask))
    assert problems == []
    assert len(notes) == bool(said)
    assert said in "".join(notes)


def test_an_annotation_that_nobody_reads_is_said_with_the_nearest_one() -> None:
    said = unknown(["numalocal.io/cpuset", "numalocal.io/zzz", "example.com/x", *ASKING])

    assert said[0] == (
        "annotation numalocal.io/cpuset is not known: did you mean numalocal.io/cpusets?"
    )
    assert said[1].startswith("annotation numalocal.io/zzz is not known; known: ")
    assert len(said) == 2


values = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["1", "0", "-1", "64Gi", "auto", "vllm", "1e9999", "9" * 400, " 2\n", "\0"]),
    st.none(),
    st.integers(),
    st.lists(st.text(max_size=2), max_size=2),
)


@given(st.one_of(st.dictionaries(st.sampled_from(ASKING), values), values))
def test_no_annotation_can_do_more_than_be_refused(annotations: object) -> None:
    ask, problems = read(annotations)

    assert 1 <= ask.ranks <= 64
    assert all(len(one) < 600 and one.isprintable() for one in problems)
