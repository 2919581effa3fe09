"""Read a shell's script as far as that can be done without running it: its commands, their words.

Not with shlex: it takes a newline for a blank, and forgets which dollar was quoted.  What only the
shell will know (a variable of the image, what a command prints) is UNKNOWN within its word.
"""

import re
from collections import ChainMap
from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from numalocal.engines.script_values import UNKNOWN, UNKNOWN_WORDS, Values

_MOST_COMMANDS: Final = 1000
_INNER: Final = r"\((?>[^()]+|\([^()]*\))*\)"
"""What stands in the parentheses of a command within a command."""
_PIECE: Final = re.compile(
    rf"""
      (?P<join>\\\n)
    | (?P<blank>[ \t\r]+)
    | '(?P<single>[^']*)'
    | "(?P<double>(?>[^"\\$`]+|\\.|\${_INNER}|\$|`[^`]*`)*+)"
    | \\(?P<escaped>.)
    | (?P<expansion>\$(?:\w+|\{{[^{{}}]*\}}|[@*#?$!-]|\()|`[^`]*`)
    | (?P<redirection>&>>?|<<<|<<-?|[<>]&|>\||<>|>>|[<>])
    | (?P<end>[;&|()\n])
    | (?P<plain>[^\s'"\\$`;&|()<>]+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTED: Final = re.compile(
    rf"""\\(?P<escaped>["\\$`\n])
    | (?P<expansion>\$(?:\w+|\{{[^{{}}]*\}}|[@*#?$!-]|{_INNER})|`[^`]*`)""",
    re.VERBOSE | re.DOTALL,
)
_ASSIGNMENT: Final = re.compile(r"([A-Za-z_]\w*)\+?=(.*)", re.DOTALL)
_EACH: Final = frozenset({"$@", "${@}"})
_ARRAY: Final = re.compile(r"\$\{[@\w]+(?:\[@\]|:[^}]*)\}")
_LEADING: Final = frozenset(
    {"if", "then", "elif", "else", "do", "while", "until", "!", "{", "time"}
)
_DECLARING: Final = frozenset({"export", "declare", "typeset", "readonly", "local"})


@dataclass(frozen=True, slots=True)
class Simple:
    """One command of a script, and the variables that are set for it alone."""

    words: tuple[str, ...]
    variables: dict[str, str]


@dataclass(frozen=True, slots=True)
class Script:
    """A script's commands in order, and the variables that it sets; `whole` = all was read."""

    commands: tuple[Simple, ...]
    variables: dict[str, str]
    whole: bool


def read(text: str, known: MutableMapping[str, str], operands: Sequence[str]) -> Script:
    """Read a script; `known` are the variables that it starts with, `operands` are $1, $2, ..."""
    assigned: dict[str, str] = {}
    reader = _Reader(Values(ChainMap(assigned, known), operands))
    whole = reader.read(text)
    return Script(tuple(reader.commands), assigned, whole)


@dataclass(slots=True)
class _Reader:
    """Where the reading is: words of the command so far, and the word so far, None = none begun.

    `leading` of these words are before the command's name: assignments and reserved words.
    """

    values: Values
    commands: list[Simple] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    word: list[str] | None = None
    leading: int = 0
    dropping: bool = False
    heredocs: list[str] = field(default_factory=list)
    awaits_heredoc: bool = False

    def read(self, text: str) -> bool:
        """Read all; False where a quote or a parenthesis is left open, which no shell runs."""
        at = 0
        while 0 <= at < len(text):
            found = _PIECE.match(text, at)
            if found is None or found.lastgroup is None or len(self.commands) > _MOST_COMMANDS:
                return False
            at = self._piece(text, found.end(), found.lastgroup, found[found.lastgroup])
        self._end_command()
        return at >= 0

    def _piece(self, text: str, at: int, kind: str, piece: str) -> int:
        """Take one piece, which ends at `at`; tell where the next begins, -1 = the script errs."""
        if kind == "plain" and self.word is None and piece.startswith("#"):
            return _line_end(text, at)
        if kind == "expansion" and piece == "$(":
            self._put(UNKNOWN_WORDS)
            return _closing(text, at)
        if kind == "other" and piece in "'\"`":
            return -1
        self._take(kind, piece)
        ends_line = kind == "end" and piece == "\n"
        return self._skip_heredocs(text, at) if ends_line else at

    def _take(self, kind: str, text: str) -> None:
        match kind:
            case "blank":
                self._end_word()
            case "single" | "escaped" | "plain" | "other":
                self._put(text)
            case "double":
                self._put_quoted(text)
            case "expansion":
                self._put_split(text)
            case "redirection":
                self._redirect(text)
            case "end":
                self._end_command()
            case _:
                pass

    def _put(self, text: str) -> None:
        if self.word is None:
            self.word = []
        self.word.append(text)

    def _put_quoted(self, text: str) -> None:
        """Take what double quotes hold; `$@` in it is as many words as there are operands."""
        if _ARRAY.fullmatch(text):
            self._put(UNKNOWN_WORDS)
            return
        if text not in _EACH:
            self._put("")
        at = 0
        for found in _QUOTED.finditer(text):
            escaped = found["escaped"]
            self._put_some(text[at : found.start()])
            if found[0] in _EACH:
                self._put_operands()
            elif escaped is None:
                self._put(self.values.value(found[0]).replace(UNKNOWN_WORDS, UNKNOWN))
            elif escaped != "\n":
                self._put(escaped)
            at = found.end()
        self._put_some(text[at:])

    def _put_some(self, text: str) -> None:
        if text:
            self._put(text)

    def _put_operands(self) -> None:
        for position, operand in enumerate(self.values.words()):
            if position:
                self._end_word()
            self._put(operand)

    def _put_split(self, reference: str) -> None:
        """Take an unquoted reference, whose value falls into words at its blanks."""
        value = self.values.value(reference).replace(UNKNOWN, UNKNOWN_WORDS)
        if self._assigns():
            self._put(value)
            return
        for position, part in enumerate(re.split(r"\s+", value)):
            if position:
                self._end_word()
            self._put_some(part)

    def _assigns(self) -> bool:
        """Tell whether the word is an assignment, whose value stays one word."""
        if self.word is None or not _ASSIGNMENT.fullmatch(self.word[0]):
            return False
        return self.leading == len(self.words) or self.words[self.leading] in _DECLARING

    def _redirect(self, operator: str) -> None:
        """Leave out the number before a redirection, and the word behind it."""
        if self.word is not None and "".join(self.word).isdecimal():
            self.word = None
        self._end_word()
        self.dropping = True
        self.awaits_heredoc = operator in ("<<", "<<-")

    def _end_word(self) -> None:
        if self.word is None:
            return
        text, self.word = "".join(self.word), None
        if self.awaits_heredoc:
            self.heredocs.append(text)
        elif not self.dropping:
            leads = text in _LEADING or _ASSIGNMENT.fullmatch(text) is not None
            self.leading += leads and self.leading == len(self.words)
            self.words.append(text)
        self.dropping = self.awaits_heredoc = False

    def _end_command(self) -> None:
        self._end_word()
        self.dropping = self.awaits_heredoc = False
        words, self.words, self.leading = self.words, [], 0
        first = next((at for at, word in enumerate(words) if word not in _LEADING), len(words))
        own = _leading_assignments(words[first:])
        rest = words[first + len(own) :]
        if rest and rest[0] not in _DECLARING:
            self.commands.append(Simple(tuple(rest), dict(own)))
            self.values.follow(rest)
            return
        self._keep(own)
        self._keep(_assignments(rest[1:]))

    def _keep(self, assigned: Iterable[tuple[str, str]]) -> None:
        for name, value in assigned:
            self.values.known[name] = value

    def _skip_heredocs(self, text: str, at: int) -> int:
        """Pass over the lines of documents that stand in the script; -1 = one has no end."""
        for delimiter in self.heredocs:
            end = re.compile(rf"^\t*{re.escape(delimiter)}$", re.MULTILINE).search(text, at)
            if end is None:
                return -1
            at = end.end()
        self.heredocs.clear()
        return at


def _leading_assignments(words: Sequence[str]) -> list[tuple[str, str]]:
    assigned = []
    for word in words:
        found = _ASSIGNMENT.fullmatch(word)
        if found is None:
            break
        assigned.append((found[1], found[2]))
    return assigned


def _assignments(words: Iterable[str]) -> list[tuple[str, str]]:
    found = (_ASSIGNMENT.fullmatch(word) for word in words)
    return [(one[1], one[2]) for one in found if one]


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _closing(text: str, at: int) -> int:
    """Find the end of `$(`; -1 where it has none."""
    depth = 1
    for found in re.compile(r"[()]").finditer(text, at):
        depth += 1 if found[0] == "(" else -1
        if depth == 0:
            return found.end()
    return -1
