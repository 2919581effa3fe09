"""A shell's script is read as the shell would, and what only it can know is not guessed."""

import shlex
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.engines import script
from numalocal.engines.script import Script
from numalocal.engines.script_values import UNKNOWN, UNKNOWN_WORDS


def read(text: str, *operands: str, **known: str) -> Script:
    return script.read(text, known, operands)


def commands(text: str, *operands: str, **known: str) -> list[list[str]]:
    return [list(one.words) for one in read(text, *operands, **known).commands]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("serve m --tp=2", ["serve", "m", "--tp=2"]),
        ('serve --tp="2"', ["serve", "--tp=2"]),
        ("serve '--tp' \"2\"", ["serve", "--tp", "2"]),
        (r"serve --name=a\ b", ["serve", "--name=a b"]),
        (r'serve "a\"b" "c\d"', ["serve", 'a"b', r"c\d"]),
        ("serve \\\n  --tp \\\n  2", ["serve", "--tp", "2"]),
        ("serve ''", ["serve", ""]),
        ("serve a'b'\"c\"", ["serve", "abc"]),
        ("serve # --tp 4", ["serve"]),
        ("serve a#b", ["serve", "a#b"]),
        ("# it's\nserve", ["serve"]),
        ("serve '$(' '$X'", ["serve", "$(", "$X"]),
        ("serve > /log 2>&1", ["serve"]),
        ("serve 2>/log --tp 2 </in", ["serve", "--tp", "2"]),
        ("serve &>/log --tp 2", ["serve", "--tp", "2"]),
        ("serve 2 >/log", ["serve", "2"]),
        ("if true; then serve; fi", ["serve"]),
        ("! serve", ["serve"]),
        ("{ serve; }", ["serve"]),
        ("(serve)", ["serve"]),
        ("A=1 B='2 3' serve", ["serve"]),
    ],
)
def test_words_are_the_shells(text: str, words: list[str]) -> None:
    assert words in commands(text)


@pytest.mark.parametrize("text", ["a; b", "a && b", "a || b", "a & b", "a | b", "a\nb", "a;\n\nb"])
def test_commands_are_told_apart(text: str) -> None:
    assert commands(text) == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("serve $X", UNKNOWN_WORDS),
        ("serve ${X:-2}", UNKNOWN_WORDS),
        ("serve $(cat x)", UNKNOWN_WORDS),
        ("serve `cat x`", UNKNOWN_WORDS),
        ("serve $(a $(b) c)", UNKNOWN_WORDS),
        ("serve $((1+1))", UNKNOWN_WORDS),
        ('serve "${X[@]}"', UNKNOWN_WORDS),
        ('serve "$X"', UNKNOWN),
        ('serve "a${X%%b}c"', f"a{UNKNOWN}c"),
        ("serve a$X", f"a{UNKNOWN_WORDS}"),
        ("serve $$", UNKNOWN_WORDS),
        ('serve "$(nproc)"', UNKNOWN),
        ('serve "$(cat "a b" --tp 2)"', UNKNOWN),
        ('serve "x$(a "$(b "c d")")y`e "f`"', f"x{UNKNOWN}y{UNKNOWN}"),
    ],
)
def test_what_only_the_shell_will_know_is_no_guess(text: str, word: str) -> None:
    assert commands(text) == [["serve", word]]


def test_what_is_known_is_put_in() -> None:
    text = "A=2\nexport B=$A\nserve $A --x=${B} $C ${D:-3} '$A'"

    found = commands(text, C="--tp 4", D="5")

    assert found == [["serve", "2", "--x=2", "--tp", "4", "5", "$A"]]


def test_a_value_in_quotes_stays_one_word() -> None:
    assert commands('serve "$C"', C="--tp 4") == [["serve", "--tp 4"]]


def test_a_value_is_assigned_whole() -> None:
    text = 'A=$C B=$C; if A=$C x; then export A=$C; fi; serve $A "$A" A=$B'

    found = commands(text, C="-t 4")

    assert found[-1] == ["serve", "-t", "4", "-t 4", "A=-t", "4"]


def test_operands_are_put_in() -> None:
    assert commands('serve "$@" $2', "a b", "c") == [["serve", "a b", "c", "c"]]
    assert commands("serve x$@", "a b", "c") == [["serve", "xa", "b", "c"]]
    assert commands('shift; serve "$@"', "a", "c")[-1] == ["serve", "c"]
    assert commands('set -- x y; serve "$@" $3', "a")[-1] == ["serve", "x", "y"]


def test_a_document_within_the_script_is_none_of_its_commands() -> None:
    text = "cat >x <<'EOF' && cat <<-END\nserve \"no\nEOF\n\tserve $(\n\tEND\nserve yes"

    assert commands(text) == [["cat"], ["cat"], ["serve", "yes"]]


def test_variables_of_a_command_are_told_from_the_scripts() -> None:
    found = read("export A=1\nB=2 one\nC=3 two")

    assert found.variables == {"A": "1"}
    assert [one.variables for one in found.commands] == [{"B": "2"}, {"C": "3"}]


@pytest.mark.parametrize("text", ["serve 'a", 'serve "a', "serve `a", "serve $(a", "cat <<EOF\nx"])
def test_what_no_shell_would_run_is_not_read(text: str) -> None:
    assert not read(text).whole


@given(st.lists(st.text(st.characters(exclude_characters="\0\1"), max_size=12), max_size=8))
def test_quoted_words_come_back(words: list[str]) -> None:
    found = commands(shlex.join(["serve", *words]))

    assert found == [["serve", *words]]


@given(st.text(" \t\n'\"\\$`;&|(){}<>#@=!-a1X*E", max_size=60))
def test_no_text_is_too_odd(text: str) -> None:
    found = read(text, "op", X="v w")

    assert all(all(isinstance(word, str) for word in one.words) for one in found.commands)


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "text",
    [
        "$(" * 100_000,
        "${" * 100_000,
        '"' * 100_001,
        '"' + "$(" * 100_000,
        '"' + "$(x)" * 100_000,
        '"' + "\\" * 100_000,
        '"' + "`" * 100_001,
        "`" * 100_001,
        "(" * 200_000,
        "a;" * 100_000,
        "\\" * 200_001,
        "a'b'" * 50_000,
        'x"$A"' * 50_000,
        "A=1 " * 50_000,
        "<<E " * 50_000,
        "cat <<E\n" * 25_000,
        "A=xx\n" + "A=$A$A\n" * 500,
        'x "$@" ' * 20_000,
        "shift\n" * 500 + '"$@"',
        "if " * 60_000,
        "\t" * 200_000,
    ],
)
def test_a_long_script_takes_no_long_time(text: str) -> None:
    begun = time.process_time()

    read(text, *(["operand"] * 1000), A="value")

    assert time.process_time() - begun < 5
