import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.pictures.columns import columns, wrapped

ROWS = [
    ("set", "CPUs", "memory"),
    ("cpuset-n0-c1x15", "0-3,8-11,16-19,24-27", "12.0 GiB"),
]


def test_a_table_that_fits_is_as_wide_as_its_words() -> None:
    assert columns(ROWS, 80) == (
        "set              CPUs                  memory\n"
        "cpuset-n0-c1x15  0-3,8-11,16-19,24-27  12.0 GiB"
    )


def test_the_widest_column_goes_on_in_the_next_line() -> None:
    assert columns(ROWS, 40, indent="  ") == (
        "  set              CPUs         memory\n"
        "  cpuset-n0-c1x15  0-3,8-11,    12.0 GiB\n"
        "                   16-19,24-27"
    )


words = st.text(st.sampled_from("abc019-,| "), max_size=60)


@given(st.lists(st.tuples(words, words, words), min_size=1, max_size=6), st.integers(30, 120))
def test_no_line_is_wider_and_no_sign_is_lost(rows: list[tuple[str, ...]], width: int) -> None:
    shown = columns(rows, width)

    assert all(len(line) <= width for line in shown.splitlines())
    told = "".join(cell for row in rows for cell in row)
    assert sorted(shown.replace(" ", "").replace("\n", "")) == sorted(told.replace(" ", ""))


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 5, [""]),
        ("0-3,8-11", 5, ["0-3,", "8-11"]),
        ("a|b", 2, ["a|", "b"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("of two words", 6, ["of two", "words"]),
    ],
)
def test_lists_break_behind_their_commas(text: str, width: int, lines: list[str]) -> None:
    assert wrapped(text, width) == lines
