"""Look through what only starts another program: numactl, taskset, env, tini and their like."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final


@dataclass(frozen=True, slots=True)
class Wrapper:
    """How a wrapper's own words end.

    `short` are its one-letter options with a value, `long` the long ones whose value may be the
    next word.  `operands` is the number of words that stand before the program.
    """

    short: str = ""
    long: tuple[str, ...] = ()
    operands: int = 0


BINDER: Final = "numalocal-bind"
_NUMACTL: Final = ("physcpubind", "cpunodebind", "membind", "interleave", "preferred")
_SCHEDULING: Final = ("sched-runtime", "sched-deadline", "sched-period")

# By the manual pages of util-linux, coreutils and numactl, and the documentation of the others.
WRAPPERS: Final[Mapping[str, Wrapper]] = {
    "numactl": Wrapper("CNmipPw", (*_NUMACTL, "preferred-many", "weighted-interleave")),
    "taskset": Wrapper(operands=1),
    "env": Wrapper("uC", ("unset", "chdir")),
    "tini": Wrapper("pe"),
    "docker-init": Wrapper("pe"),
    "dumb-init": Wrapper("r", ("rewrite",)),
    "catatonit": Wrapper(),
    "nice": Wrapper("n", ("adjustment",)),
    "ionice": Wrapper("cn", ("class", "classdata")),
    "chrt": Wrapper("TPD", _SCHEDULING, operands=1),
    "stdbuf": Wrapper("ioe", ("input", "output", "error")),
    "timeout": Wrapper("ks", ("kill-after", "signal"), operands=1),
    "time": Wrapper("fo", ("format", "output")),
    "nohup": Wrapper(),
    "setsid": Wrapper(),
    "exec": Wrapper("a"),
    "command": Wrapper(),
    "gosu": Wrapper(operands=1),
    "su-exec": Wrapper(operands=1),
    "s6-setuidgid": Wrapper(operands=1),
    "sudo": Wrapper("ugCDRTrthp", ("user", "group", "chdir")),
    "runuser": Wrapper("ugGws", ("user", "group")),
    "setpriv": Wrapper(long=("reuid", "regid", "groups", "inh-caps", "bounding-set")),
    "opentelemetry-instrument": Wrapper(),
}
_RUNNERS: Final[Mapping[tuple[str, str], Wrapper]] = {
    (BINDER, "exec"): Wrapper(long=("cpus", "mems", "policy", "rank", "rank-from", "openmp")),
    (BINDER, "run"): Wrapper(long=("policy", "openmp")),
    ("uv", "run"): Wrapper("p", ("python", "with", "project", "directory", "extra", "group")),
    ("poetry", "run"): Wrapper(),
    ("conda", "run"): Wrapper("np", ("name", "prefix", "cwd")),
}
"""Programs whose first word says that they run another."""

_SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"})
_SHELL_VALUED: Final = ("--rcfile", "--init-file")
_SHELL_FLAGS: Final = re.compile(r"-[eEuxlivfmhkptbBCHP]*c")
_ASSIGNMENT: Final = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """A program's own words, the wrappers before it, and the variables that they set."""

    words: tuple[str, ...]
    wrappers: frozenset[str]
    variables: dict[str, str]


@dataclass(frozen=True, slots=True)
class ShellText:
    """A script that a shell gets as an argument, and its operands $1, $2 and on."""

    text: str
    operands: tuple[str, ...]


def look_through(words: Sequence[str]) -> Unwrapped:
    """Find the program behind all wrappers."""
    at, wrappers, variables = 0, set[str](), dict[str, str]()
    while at < len(words):
        name = base(words[at])
        wrapper, first = WRAPPERS.get(name), at + 1
        if wrapper is None and first < len(words):
            wrapper, first = _RUNNERS.get((name, words[first])), first + 1
        if wrapper is None:
            break
        wrappers.add(name)
        at = _behind(words, first, wrapper)
        while name == "env" and at < len(words) and (found := _ASSIGNMENT.fullmatch(words[at])):
            variables[found[1]] = found[2]
            at += 1
    return Unwrapped(tuple(words[at:]), frozenset(wrappers), variables)


def shell_text(words: Sequence[str]) -> ShellText | None:
    """Give the script that a shell is to read; None where this is no shell, or it reads a file."""
    if words and base(words[0]) == "busybox":
        words = words[1:]
    if not words or base(words[0]) not in _SHELLS:
        return None
    at, reads_argument = 1, False
    while at < len(words) and words[at][:1] in ("-", "+") and words[at] not in ("-", "--"):
        word = words[at]
        flags = "" if word.startswith("--") else word[1:]
        reads_argument |= word.startswith("-") and "c" in flags
        at += 1 + (word in _SHELL_VALUED) + sum(flags.count(one) for one in "oO")
    if at < len(words) and words[at] in ("-", "--"):
        at += 1
    if not reads_argument or at >= len(words):
        return None
    return ShellText(words[at], tuple(words[at + 2 :]))


def is_shell(words: Sequence[str]) -> bool:
    """Tell whether a shell is started, whatever it reads."""
    names = [base(word) for word in words[:2]]
    return bool(names) and (names[0] in _SHELLS or (names[0] == "busybox" and names[-1] in _SHELLS))


def looks_like_shell_arguments(words: Sequence[str]) -> bool:
    """Tell whether these can only be meant for a shell as an image's entry point: `-c 'a script'`.

    llama.cpp has a -c as well, which takes a number.
    """
    flags, text = (*words[:2], "", "")[:2]
    if not _SHELL_FLAGS.fullmatch(flags):
        return False
    return bool(text) and not text.startswith("-") and not text.strip().isdecimal()


def base(word: str) -> str:
    """Give a program's name without its folder."""
    return PurePosixPath(word).name


def _behind(words: Sequence[str], at: int, wrapper: Wrapper) -> int:
    """Find the first word behind a wrapper's own options and operands."""
    while at < len(words) and words[at].startswith("-"):
        word = words[at]
        at += 1
        if word == "--":
            break
        at += int(_takes_next(word, wrapper))
    return min(at + wrapper.operands, len(words))


def _takes_next(word: str, wrapper: Wrapper) -> bool:
    if word.startswith("--"):
        return word[2:] in wrapper.long
    valued = next((at for at, letter in enumerate(word) if at and letter in wrapper.short), 0)
    return 0 < valued == len(word) - 1
