import pytest

from numalocal.problems import MAX_SHOWN, Problem, printable, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (4096, "4096"),
        (1.5, "1.5"),
        ("a b", "'a b'"),
        ([], "[]"),
        ({"a": [1, "b"]}, "{'a': [1, 'b']}"),
        ("\x1b[31m\x07\u202e", r"'\x1b[31m\x07\u202e'"),
        ([1, 2, 3, 4], "[1, 2, 3, ...]"),
    ],
)
def test_a_value_is_shown_as_a_document_has_it(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    "value",
    [
        "a" * 10_000,
        "\x1b" * 10_000,
        10**5_000,
        -(10**5_000),
        [10**5_000],
        ["a" * 10_000] * 10_000,
        {f"key {one}": ["a" * 1_000] * 100 for one in range(1_000)},
        [[[[[[["deep"]]]]]]],
        {"\x1b[2J": "\n"},
        b"\xff" * 1_000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_value_is_long_or_moves_the_cursor(value: object) -> None:
    assert len(shown(value)) <= MAX_SHOWN
    assert shown(value).isprintable()


def test_a_value_of_any_depth_costs_little() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]

    assert shown(deep) == "[[[...]]]"


def test_a_long_text_keeps_its_ends() -> None:
    assert shown("/models/" + 200 * "x" + "/weights.gguf").endswith("/weights.gguf'")
    assert printable("a" * 100, 10) == "aaaa...aaa"


def test_a_path_is_as_harmless_as_a_value() -> None:
    text = str(Problem("spec.\x1b[31m\n" + 1_000 * "a", "x", "is not a field"))

    assert text.isprintable()
    assert text.startswith(r"spec.\x1b[31m\n")
    assert len(text) < 300
