import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.host.lines import LONGEST, read, without_controls


def test_lines_come_without_their_ends_and_no_byte_is_lost() -> None:
    printed = b"one\ntwo\r\nbar 1%\rbar 2%\r\n\nlatin \xe9\nno end"

    assert list(read(io.BytesIO(printed))) == [
        *("one", "two", "bar 1%", "bar 2%", "", "latin \\xe9", "no end")
    ]


def test_what_has_no_end_comes_in_parts() -> None:
    parts = list(read(io.BytesIO(b"x" * (3 * LONGEST + 1))))

    assert [len(part) for part in parts] == [LONGEST, LONGEST, LONGEST, 1]


@given(st.binary(max_size=300))
def test_whatever_is_printed_can_be_read(printed: bytes) -> None:
    for line in read(io.BytesIO(printed)):
        line.encode("utf-8")


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("plain\ttext é", "plain\ttext é"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m\x1b[0m"),
        ("\x1b[1;38;5;12mbold", "\x1b[1;38;5;12mbold\x1b[0m"),
        ("\x1b[2J\x1b[Hcleared", "cleared"),
        ("\x1b[?1049hother screen", "other screen"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]52;c;Y2xpcA==\x1b\\text", "text"),
        ("\x1bP$q\x1b\\text", "text"),
        ("\x1b]0;never ended", ""),
        ("\x1bcreset", "reset"),
        ("\x1b(0lines", "lines"),
        ("back\x08\x08\x07\x0eshift", "backshift"),
        ("\x9b2Jeight bits", "2Jeight bits"),
        ("\u202etxt.exe", "txt.exe"),
        ("cut \x1b", "cut "),
        ("cut \x1b[12", "cut 12"),
    ],
)
def test_a_terminal_is_shown_text_and_colour_alone(printed: str, shown: str) -> None:
    assert without_controls(printed) == shown


@given(st.text(alphabet=st.sampled_from("\x1b[]0;1mHJ\x07\\P\x9b\t(?é\u202e"), max_size=30))
def test_nothing_but_colour_is_left_of_any_sequence(printed: str) -> None:
    shown = without_controls(printed)

    for sequence in shown.split("\x1b")[1:]:
        assert sequence.startswith("[")
        assert sequence[1:].lstrip("0123456789;:").startswith("m")
    assert not set("\x07\x9b\u202e") & set(shown)
