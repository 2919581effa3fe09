"""The machine's own shell is the judge of how a script's words are read."""

import subprocess

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from numalocal.engines import script
from numalocal.engines.script_values import UNKNOWN, UNKNOWN_WORDS

PIECES = st.sampled_from(
    [
        *(
            "serve ",
            "serve",
            "--tp ",
            "a",
            "=",
            "'",
            '"',
            "\\",
            " ",
            "\n",
            "\\\n",
            "#",
            "{ ",
            "; }",
        ),
        *(
            ";",
            " && ",
            "if true; then ",
            " fi\n",
            "! ",
            "$A ",
            "${A}",
            "$B",
            '"$B"',
            "'$A'",
            '"\\$A"',
        ),
        *("$@ ", '"$@"', "$1", '"x$2"', "${B:-z}", " A=1 ", "B='x y' ", "A=$B ", "export A=2\n"),
        *(" >/dev/null ", " 2>&1 ", "<<E\nserve $A\nE\n", "shift\n"),
    ]
)
KNOWN = {"A": "v1", "B": "one two"}
OPERANDS = ("o1", "o p2")
SERVE = "serve() { printf '%s\\036' \"$@\"; printf '\\037'; } >&9\n"


def run(text: str) -> list[list[str]] | None:
    """Give the words that each `serve` got; None where the shell does not run the script."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec 9>&1 >/dev/null\n{SERVE}{text}", "sh", *OPERANDS],
        env={**KNOWN, "PATH": "/nonexistent"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stderr.lower()
    if any(word in told for word in ("syntax", "unexpected", "unterminated")):
        return None
    return [one.split("\036")[:-1] for one in done.stdout.split("\037")[:-1]]


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_every_command_that_the_shell_runs_is_read_word_by_word(text: str) -> None:
    ours = script.read(text, dict(KNOWN), OPERANDS)
    words = [list(one.words[1:]) for one in ours.commands if one.words[0] == "serve"]
    every = [word for one in ours.commands for word in one.words]
    assume(not any(mark in word for word in every for mark in MARKS))
    theirs = run(text)
    # A shell may give up before it comes to an open quote.
    assume(ours.whole and theirs is not None)

    remaining = iter(words)

    # Those behind `&&` and in `if` are read whether they run or not.
    assert all(any(_same(one, mine) for mine in remaining) for one in theirs or ())


MARKS = (UNKNOWN, UNKNOWN_WORDS)


def _same(theirs: list[str], ours: list[str]) -> bool:
    """Compare words; a call without any prints one that is empty."""
    return theirs == (ours or [""])
