import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from numalocal.worker.composing import MAX_SIZE, NotPlain, compose

Nested = Callable[[int], str]

BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
)
MERGED = "\n".join(
    ["a0: &a0 {k: [1, 2, 3, 4]}"]
    + [f"a{n}: &a{n} {{l{n}: *a{n - 1}, m: {{<<: *a{n - 1}}}}}" for n in range(1, 40)]
)


def sentences_of(text: str) -> tuple[str, ...]:
    with pytest.raises(NotPlain) as caught:
        compose(text)
    return caught.value.sentences


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("", []),
        ("# nothing\n", []),
        ("---\n---\n", [None, None]),
        ("a: 1\n---\n- b\n", [{"a": 1}, ["b"]]),
        ("a: {b: [c, {d: e}], f: }", [{"a": {"b": ["c", {"d": "e"}], "f": None}}]),
        ("['1', \"no\", !!str 3]", [["1", "no", "3"]]),
        ("a: |\n  2\n", [{"a": "2\n"}]),
        ("a: &x [1]\nb: *x\n", [{"a": [1], "b": [1]}]),
        ("&k a: 1\nb: *k\n", [{"a": 1, "b": "a"}]),
        ("- &k a\n- {*k : 1}\n", [["a", {"a": 1}]]),
        (
            "x: &x {a: 1, b: 2}\ny: {b: 3, <<: *x}\n",
            [{"x": {"a": 1, "b": 2}, "y": {"a": 1, "b": 3}}],
        ),
        (
            "- &x {a: 1}\n- &y {a: 2, b: 2}\n- {<<: [*x, *y]}\n",
            [[{"a": 1}, {"a": 2, "b": 2}, {"a": 1, "b": 2}]],
        ),
        ("'<<': 1", [{"<<": 1}]),
        ("when: 2024-13-45\nport: 12:30", [{"when": "2024-13-45", "port": "12:30"}]),
        ('{"a": [1.5, true, null, "\\u00e9"]}', [{"a": [1.5, True, None, "é"]}]),
    ],
)
def test_documents_become_plain_values(text: str, documents: list[Any]) -> None:
    assert compose(text) == documents


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3\n", "has 'a' twice in one mapping, line 3: leave one out"),
        ("1: x", 'has the key 1, line 1: quote it as "1"'),
        ("on: x", 'has the key true, line 1: quote it as "on"'),
        ("? \n: x", 'has the key null, line 1: quote it as ""'),
        ("{{a: b}: c}", "has a mapping or a list as key, line 1: a key must be text"),
        ("? [a]\n: b", "has a mapping or a list as key, line 1: a key must be text"),
        ("- &x [1]\n- {*x : 1}", "has the key [1], line 2: a key must be text"),
        (
            "a: .inf",
            "has .inf, line 1, which no number of JSON holds exactly: quote it if it is text",
        ),
        (
            f"a: {'9' * 5000}",
            f"has {'9' * 51}...{'9' * 26}, line 1, which no number of JSON holds exactly: quote it "
            "if it is text",
        ),
        (
            "a: !!python/object/apply:os.system [x]",
            "has the tag !!python/object/apply:os.system, line 1: leave it out",
        ),
        ("a: !!binary aGk=", "has the tag !!binary, line 1: leave it out"),
        ("a: !!set {x}", "has the tag !!set, line 1: leave it out"),
        ("a: !mine x", "has the tag !mine, line 1: leave it out"),
        ("a: *b", "has *b, line 1, which names nothing that ends before it"),
        ("a: &a\n  - *a", "has *a, line 2, which names nothing that ends before it"),
        ("a: &x 1\n---\nb: *x", "has *x, line 3, which names nothing that ends before it"),
        ("a: {<<: 1}", "has << for what is no mapping, line 1"),
        (
            "a: b: c",
            "is not YAML: mapping values are not allowed ",
        ),
        ("a:\n\t- b", "is not YAML: found a tab where only spaces may be, line 2, column 1"),
        (
            "a: \x00",
            "is not YAML: unacceptable character #x0000: ",
        ),
        ("a: 1\nb:2\nc: 3", "is not YAML: found no ': ' behind a key, line 2, column 1"),
        (
            "a: 1\n\u00a0\u00a0b: 1\n  c: 2",
            "is not YAML: line 2 is indented by U+00A0, which is no space to YAML",
        ),
    ],
    ids=lambda text: text[:12],
)
def test_what_is_more_than_plain_is_one_sentence(text: str, sentence: str) -> None:
    (found,) = sentences_of(text)

    assert found.startswith(sentence)


PARSERS = pytest.mark.parametrize(
    "loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)]
)


@PARSERS
@pytest.mark.parametrize(
    ("text", "end"),
    [
        ('a: "b\nc: 1\n', "line 3, column 1, within what begins in line 1"),
        ("a:\n  {b: 1\nc: 1\n", "line 3, column 2, within what begins in line 2"),
        ("a: [1}\n", "line 1, column 6"),
        ("a: 1\n b: 2\n", "line 2, column 3"),
        ("a: \u00fc\nb: \x07\n", "allowed, line 2"),
    ],
)
def test_what_is_no_yaml_says_where_and_within_what(loader: Any, text: str, end: str) -> None:
    with pytest.raises(NotPlain) as caught:
        compose(text, loader)

    assert str(caught.value).endswith(end)


@PARSERS
def test_half_a_character_is_no_text_with_either_parser(loader: Any) -> None:
    with pytest.raises(NotPlain, match=r"lone surrogate|escape code"):
        compose(r'a: "\ud800"', loader)


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(sentences_of("a: 1\na: .nan\n2: !x y\n")) == 4
    assert len(sentences_of("\n".join(f"{n}: x" for n in range(10_000)))) == 50


@pytest.mark.parametrize(
    "nested",
    [
        lambda depth: "[" * depth + "]" * depth,
        lambda depth: "{a: " * depth + "1" + "}" * depth,
        lambda depth: "\n".join("  " * level + "a:" for level in range(depth)),
        lambda depth: "- " * depth + "a",
    ],
    ids=["lists", "mappings", "lines", "dashes"],
)
def test_deep_nesting_is_refused_before_anybody_recurses(nested: Nested) -> None:
    assert len(compose(nested(100))) == 1
    for depth in (102, 5_000):
        (sentence,) = sentences_of(nested(depth))
        assert sentence.startswith(("is nested more than 100 levels deep", "is not YAML: "))


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        MERGED,
        f"- &x {'y' * 100_000}\n" + "- *x\n" * 1_000,
        "[" + "1," * (MAX_SIZE // 40) + "]",
    ],
    ids=["lists of lists", "merged", "one long text", "many values"],
)
def test_what_aliases_stand_for_is_counted_before_it_is_made(text: str) -> None:
    start = time.process_time()

    (sentence,) = sentences_of(text)

    assert "stands for more than 10 MiB of values, line " in sentence
    assert time.process_time() - start < 10


@given(st.text(alphabet=" \n\t-:?[]{}&*!|>'\"%@`#,abc1.<~\0\x1b\u202e", max_size=60))
def test_any_text_is_documents_or_sentences(text: str) -> None:
    documents: list[Any] = []
    sentences: tuple[str, ...] = ()
    try:
        documents = compose(text)
    except NotPlain as error:
        sentences = error.sentences

    assert all(_is_plain(one) for one in documents)
    assert all(one.isprintable() and len(one) < 250 for one in sentences)


TEXT = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]))
KEY = TEXT.filter(lambda key: len(json.dumps(key)) < 1024)  # YAML knows no longer one on a line
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), 1 << 63) | TEXT | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEY, inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
def test_json_is_read_as_what_it_is(value: object) -> None:
    assert compose(json.dumps(value)) == [value]


def _is_plain(value: Any) -> bool:
    inner: Iterator[Any] = iter(())
    if isinstance(value, dict):
        assert all(isinstance(key, str) for key in value)
        inner = iter(value.values())
    elif isinstance(value, list):
        inner = iter(value)
    else:
        return value is None or isinstance(value, str | int | float)
    return all(_is_plain(one) for one in inner)
