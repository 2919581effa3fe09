"""Read a container's command line once: the programs that it starts, and each one's own words.

Wrappers are looked through, and a shell's script is read as far as it can be.
"""

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Final

from numalocal import expansion
from numalocal.engines import script, wrappers
from numalocal.engines.script_values import UNKNOWN_WORDS

_DEPTH: Final = 4
"""Shells within shells that are read."""
_PYTHON: Final = re.compile(r"(python|pypy)[0-9.]*")
_PYTHON_VALUED: Final = frozenset({"-W", "-X", "--check-hash-based-pycs"})
_PYTHON_RUNS: Final = re.compile(r"-[bBdEiIOPqRsSuvx]*([mc])(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One program that is started.

    `name` is the file's without its folder, of a Python program the script's or the module's, and
    empty where it is the image's entry point.  `words` are what it gets, where
    `UNKNOWN` stands for what is not known here.  `variables` are set on the way to it, and
    `wrappers` came before it.
    """

    name: str
    words: tuple[str, ...] = ()
    python: bool = False
    variables: Mapping[str, str]
    wrappers: frozenset[str] = frozenset()

    @property
    def doubtful(self) -> bool:
        """Tell whether there may be any option among what is not known of its words.

        What is not known behind an option is its value, and behind `serve` a model.
        """
        before = ("", *self.words)
        return any(
            word.startswith(UNKNOWN_WORDS) and not _expects_value(previous)
            for previous, word in zip(before, self.words, strict=False)
        )


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What a container starts; `script` tells that a shell reads it.

    A script in a file, and one that no shell could run, has no commands here.
    """

    commands: tuple[Command, ...]
    script: bool = False


def read(
    command: Sequence[str], args: Sequence[str], variables: Mapping[str, str | None]
) -> CommandLine:
    """Read what a container runs; `variables` are those that it has, None = not known.

    Without a command, the args go to the image's entry point; where they begin with a shell, a
    wrapper or Python it is taken for one that runs them.
    """
    known = {name: value for name, value in variables.items() if value is not None}
    words = [expansion.expand(word, known) for word in (*command, *args)]
    if not command:
        if wrappers.looks_like_shell_arguments(words):
            words = ["sh", *words]
        elif not _starts_another(words):
            return CommandLine((Command(name="", words=tuple(words), variables={}),))
    script_read = wrappers.is_shell(wrappers.look_through(words).words)
    return CommandLine(tuple(_commands(words, known, {}, _DEPTH)), script=script_read)


def given(words: Sequence[str], option: str, abbreviated: frozenset[str] = frozenset()) -> bool:
    """Tell whether an option is given: as `--name value`, `--name=value` or `--name.key=value`.

    Many engines take `_` for `-` in names.  `abbreviated` are the names of a parser that takes the
    beginning of a name for it, as Python's argparse does.
    """
    return any(_is(word, option, abbreviated) for word in words)


def value(
    words: Sequence[str], option: str, abbreviated: frozenset[str] = frozenset()
) -> str | None:
    """Give an option's value, the last one where it is given twice; None where it has none."""
    found = None
    for word, following in zip(words, (*words[1:], None), strict=False):
        if _is(word, option, abbreviated):
            found = _attached(word, option)
            found = following if found is None else found
    return found


def _is(word: str, option: str, abbreviated: frozenset[str]) -> bool:
    if not word.startswith("-"):
        return False
    name = _name(word)
    if name == _name(option):
        return True
    if option not in abbreviated or name in abbreviated or not name.strip("-"):
        return False
    return option.startswith(name) or _is_attached(word, option)


def _attached(word: str, option: str) -> str | None:
    """Give the value within a word; None where it is the next word."""
    if "=" in word:
        return word.partition("=")[2]
    return word.removeprefix(option) if _is_attached(word, option) else None


def _is_attached(word: str, option: str) -> bool:
    """Tell whether a one-letter option has its value behind the letter: `-n3`."""
    return len(option) == len("-n") and option < word and word.startswith(option)


def _expects_value(word: str) -> bool:
    return word == "serve" or (word.startswith("-") and "=" not in word)


def _name(word: str) -> str:
    name = word.partition("=")[0]
    return name.partition(".")[0].replace("_", "-") if name.startswith("--") else name


def _starts_another(words: Sequence[str]) -> bool:
    found = wrappers.look_through(words)
    first = found.words[0] if found.words else ""
    return bool(found.wrappers) or wrappers.is_shell(words) or _is_python(first)


def _is_python(word: str) -> bool:
    return _PYTHON.fullmatch(wrappers.base(word)) is not None


def _commands(
    words: Sequence[str],
    known: MutableMapping[str, str],
    outer: MutableMapping[str, str],
    depth: int,
) -> Iterator[Command]:
    """Give the programs that some words start, `outer` being the variables set before them."""
    behind = wrappers.look_through(words)
    variables = ChainMap(behind.variables, outer)
    if not behind.words:
        return
    shell = wrappers.shell_text(behind.words)
    if shell is None:
        if not wrappers.is_shell(behind.words):
            yield _command(behind.words, variables, behind.wrappers)
        return
    if depth == 0:
        return
    inside = script.read(shell.text, ChainMap(variables, known), shell.operands)
    if not inside.whole:
        return
    shared = ChainMap(inside.variables, variables)
    for one in inside.commands:
        yield from _commands(one.words, known, ChainMap(one.variables, shared), depth - 1)


def _command(words: Sequence[str], variables: Mapping[str, str], behind: frozenset[str]) -> Command:
    python = _is_python(words[0])
    name, at = _python_program(words) if python else (wrappers.base(words[0]), 1)
    return Command(
        name=name, words=tuple(words[at:]), python=python, variables=variables, wrappers=behind
    )


def _python_program(words: Sequence[str]) -> tuple[str, int]:
    """Name the script or module that Python runs, and tell where its own words begin."""
    at = 1
    while at < len(words) and words[at].startswith("-"):
        if found := _PYTHON_RUNS.fullmatch(words[at]):
            text = found[2] or "".join(words[at + 1 : at + 2])
            return text if found[1] == "m" else "python -c", at + (1 if found[2] else 2)
        at += 1 + (words[at] in _PYTHON_VALUED)
    return wrappers.base(words[at]) if at < len(words) else "python", at + 1
