import io
import re

from numalocal.host.board import Board


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def screen(written: str) -> list[str]:
    """Give what a terminal shows: lines, with what was moved over and cleared taken away."""
    shown: list[str] = [""]
    for part in re.split(r"(\x1b\[\d+F\x1b\[J|\n)", written):
        if match := re.match(r"\x1b\[(\d+)F", part):
            del shown[len(shown) - 1 - int(match[1]) :]
            shown.append("")
        elif part == "\n":
            shown.append("")
        else:
            shown[-1] += part
    return shown


def test_a_table_stays_below_the_lines() -> None:
    stream = Terminal()
    board = Board(stream)

    board.line("one")
    board.show("table 1\nwith two lines")
    board.line("two")
    board.show("table 2")
    board.line("three")

    assert screen(stream.getvalue()) == ["  | one", "  | two", "  | three", "table 2", ""]


def test_a_table_that_is_cleared_is_gone() -> None:
    stream = Terminal()
    board = Board(stream)

    board.show("table")
    board.clear()
    board.line("end")

    assert screen(stream.getvalue()) == ["  | end", ""]


def test_a_log_has_the_lines_alone() -> None:
    stream = io.StringIO()
    board = Board(stream)

    board.show("table")
    board.line("one")
    board.clear()

    assert stream.getvalue() == "  | one\n"


def test_a_table_is_cut_to_the_terminal() -> None:
    stream = Terminal()
    board = Board(stream, size=lambda: (10, 5))

    board.show("\n".join(["a line too wide", "2", "3", "4", "5"]))

    assert screen(stream.getvalue()) == ["a line to…", "2", "… 3 more …", ""]


def test_a_table_that_a_narrower_terminal_has_wrapped_is_gone_whole() -> None:
    sizes = iter([(20, 24), (8, 24), (8, 24)])
    stream = Terminal()
    board = Board(stream, size=lambda: next(sizes))

    board.show("of sixteen signs\nshort")
    board.show("next")

    assert "\x1b[3F\x1b[J" in stream.getvalue()


def test_a_table_is_written_as_the_terminal_shows_it() -> None:
    stream = Terminal()
    board = Board(stream, size=lambda: (5, 24), shown=lambda text: text.replace("…", ">"))

    board.show("too wide")

    assert stream.getvalue() == "too >\n"
