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
