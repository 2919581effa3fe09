import pytest

from numalocal import names
from numalocal.sets.memoryask import Enforcement, MemoryAsk, MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes
from numalocal_deviceplugin.asking import MemoryOf, enforcement, engine_settings, memory, takes_less
from numalocal_deviceplugin.errors import AgentError, BindingRefused

from .nodes import make_pod

LONGEST_SENTENCE = 1000


@pytest.mark.parametrize(
    ("annotations", "sentence"),
    [
        ({"engine": "vlm"}, "numalocal.io/engine is 'vlm'; known: llama.cpp, none, ollama"),
        ({"engine": "x" * 5000}, "xxx...xxx"),
        ({"openmp": "gcc"}, "numalocal.io/openmp is 'gcc'; known: auto, gnu, llvm, intel, none"),
        ({"openmp": "gnu\x1b[2J"}, "numalocal.io/openmp is 'gnu\\x1b[2J'; known"),
        ({"reserved_cores": "-1"}, "numalocal.io/reserved-cores is '-1'; it must be a number"),
        ({"reserved_cores": ""}, "numalocal.io/reserved-cores is ''; it must be a number"),
        ({"reserved_cores": "\u0661"}, "numalocal.io/reserved-cores is '\u0661'; it must be"),
        ({"reserved_cores": "9" * 5000}, "999...999"),
        ({"reserved_cores": "1" + "0" * 9}, "reserved-cores is '1000000000'; it must be"),
    ],
)
def test_an_unknown_engine_setting_is_refused(annotations: dict[str, str], sentence: str) -> None:
    with pytest.raises(AgentError) as caught:
        engine_settings(make_pod(**annotations))

    assert sentence in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < LONGEST_SENTENCE


def test_absent_engine_settings_take_their_defaults() -> None:
    settings = engine_settings(make_pod())

    assert (settings.name, settings.openmp, settings.reserved_cores) == ("none", "auto", None)


def test_as_many_cores_as_can_be_written_are_a_number() -> None:
    assert engine_settings(make_pod(reserved_cores="9" * 9)).reserved_cores == 999_999_999


@pytest.mark.parametrize(
    ("annotations", "asked"),
    [
        ({}, MemoryOf(MemoryAsk(), None)),
        (
            {"memory_policy": "Preferred", "memory_nodes": "MemoryOnly", "memory": "64Gi"},
            MemoryOf(MemoryAsk(MemoryPolicy.PREFERRED, MemoryNodes.MEMORY_ONLY), 64 << 30),
        ),
        (
            {"memory_policy": " Bind\n", "on_overflow": "Interleave", "memory": " 1024 "},
            MemoryOf(MemoryAsk(on_overflow=Overflow.INTERLEAVE), 1024),
        ),
    ],
)
def test_memory_is_asked_for_in_words_and_an_amount(
    annotations: dict[str, str], asked: MemoryOf
) -> None:
    assert memory(make_pod(**annotations)) == asked


@pytest.mark.parametrize(
    "text", ["", "bind", "Weighted-Interleave", "0", "Local,Near", "x" * 5000, "\0", "\u202eBind"]
)
@pytest.mark.parametrize("name", ["memory_policy", "memory_nodes", "on_overflow", "enforcement"])
def test_a_word_that_is_none_is_refused_with_those_that_are(name: str, text: str) -> None:
    pod = make_pod(**{name: text})

    with pytest.raises(BindingRefused) as caught:
        enforcement(pod) if name == "enforcement" else memory(pod)

    said = str(caught.value)
    assert said.startswith(f"pod default/llama-0: annotation numalocal.io/{name.replace('_', '-')}")
    assert "; known: " in said
    assert said.isprintable()
    assert len(said) < LONGEST_SENTENCE


@pytest.mark.parametrize("text", ["", "lots", "-1Gi", "9" * 5000, "1e999", "NaN", "64 Gi"])
def test_an_amount_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BindingRefused, match="must be an amount of memory such as 64Gi") as caught:
        memory(make_pod(memory=text))

    assert len(str(caught.value)) < LONGEST_SENTENCE


def test_enforcement_is_required_unless_a_pod_takes_less() -> None:
    loose = make_pod(enforcement="BestEffort")

    assert enforcement(make_pod()) is Enforcement.REQUIRED
    assert enforcement(loose) is Enforcement.BEST_EFFORT
    assert takes_less(loose)
    assert takes_less(make_pod(enforcement=" BestEffort\n")), "blanks are no part of a word"
    assert not takes_less(make_pod())
    assert not takes_less(make_pod(enforcement="besteffort")), (
        "nor does one that says nothing right"
    )


def test_the_words_are_those_of_the_annotations_that_a_pod_may_have() -> None:
    read = {
        names.ANNOTATION_MEMORY_POLICY,
        names.ANNOTATION_MEMORY_NODES,
        names.ANNOTATION_ON_OVERFLOW,
        names.ANNOTATION_ENFORCEMENT,
    }

    assert read <= names.POD_ANNOTATIONS
