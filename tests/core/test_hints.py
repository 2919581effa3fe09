import pytest

from numalocal import hints


@pytest.mark.parametrize(
    ("text", "list_"),
    [
        ("-m /m.gguf", ' such as ["-m", "/m.gguf"]'),
        ("", " such as []"),
        ("a 'b c' d e f", ' such as ["a", "b c", "d", "e"]'),
        ("it's", ' such as ["it\'s"]'),
        ("\x1b[31m", r' such as ["\\x1b[31m"]'),
        (4096, ""),
        ({"a": "b"}, ""),
    ],
)
def test_a_text_for_a_list_shows_the_list_that_was_meant(text: object, list_: str) -> None:
    assert hints.such_as(text) == list_


@pytest.mark.parametrize("text", ["x" * 10**6, "'" * 10**6, "a " * 10**6, "\\" * 10**6])
def test_no_example_is_long(text: str) -> None:
    assert len(hints.such_as(text)) < 200


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (4096, 'must be text such as "4096"'),
        (0.5, 'must be text such as "0.5"'),
        (False, 'must be text: quote it, such as "false" (YAML reads on, off, yes, no, true and'),
        ({"a": 1}, "must be text: quote it where it holds a colon and a space"),
        (["a"], "must be text"),
    ],
)
def test_what_yaml_took_for_something_else_is_to_be_quoted(value: object, sentence: str) -> None:
    assert hints.as_text(value).startswith(sentence)


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("vLLM", ("sglang", "vllm"), "vllm"),
        ("llama-cpp", ("llama.cpp", "vllm"), "llama.cpp"),
        ("llamacpp", ("llama.cpp", "vllm"), "llama.cpp"),
        ("per_rank", ("perRank", "policy"), "perRank"),
        ("openmp", ("name", "openMP"), "openMP"),
        ("torch", ("pytorch", "openvino"), "pytorch"),
        ("repicas", ("replicas", "ranks"), "replicas"),
        ("cpus", ("paused", "ranks"), ""),
        ("", ("paused",), ""),
        ("x" * 10**6, ("paused",), ""),
    ],
)
def test_the_word_that_was_meant_is_found_in_every_spelling(
    word: str, known: tuple[str, ...], meant: str
) -> None:
    assert hints.nearest(word, known) == meant


def test_of_one_choice_nothing_else_can_be_meant() -> None:
    assert hints.no_choice("v1", ("v1alpha1",)) == "must be one of: v1alpha1"
    assert hints.no_choice("bind", ("Bind", "Any")).endswith("Bind, Any; did you mean Bind?")


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("16GB", ": did you mean 16Gi?"),
        ("16 Gi", ": did you mean 16Gi?"),
        ("16gi", ": did you mean 16Gi?"),
        ("16GiB", ": did you mean 16Gi?"),
        ("1.5 tb", ": did you mean 1.5Ti?"),
        ("512mb", ": did you mean 512Mi?"),
        ("1,5Gi", " such as 64Gi"),
        ("16 bananas", " such as 64Gi"),
        ("-16Gi", " such as 64Gi"),
        ("16Gi\n", " such as 64Gi"),
        ("9" * 10**6 + "GB", " such as 64Gi"),
        (True, " such as 64Gi"),
        (["16GB"], " such as 64Gi"),
    ],
)
def test_the_unit_that_was_meant_is_shown(value: object, meant: str) -> None:
    assert hints.no_size(value) == f"must be an amount of memory{meant}"
