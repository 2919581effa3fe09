"""YAML text -> the plain values that JSON has too.

PyYAML's own constructor makes dates, sets and objects of Python, takes the last of two equal keys,
recurses, and lets a few lines of aliases stand for any number of values.  Here the parser's events
become values one by one.
"""

import re
import sys
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from numalocal.fields import MAX_DEPTH, MAX_PROBLEMS
from numalocal.problems import printable, shown
from numalocal.worker import scalars

MAX_SIZE: Final = 10 << 20
"""Characters with every alias written out, where each value counts as 50 more."""
_VALUE_SIZE: Final = 50
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a PyYAML may lack libyaml
_TAG: Final = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = (None, "!", f"{_TAG}str", f"{_TAG}map", f"{_TAG}seq")
_BLANK: Final = re.compile(r" *(?=[^ \t\r])(\s)")
"""An indent by what looks like a space, as copied from a page."""
_KEY: Final = "while scanning a simple key"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class NotPlain(Exception):
    """A text that is not YAML, or more than plain values: what it is or has, a sentence each."""

    def __init__(self, *sentences: str) -> None:
        self.sentences = sentences
        super().__init__("; ".join(sentences))


def compose(text: str, loader: Any = _LOADER) -> list[Any]:
    """Give the documents of a text, which `loader`, one of PyYAML's, parses.

    Raises:
        NotPlain: with all that is wrong, and the lines.
    """
    composer = _Composer()
    try:
        for event in yaml.parse(text, Loader=loader):
            composer.take(event, event.start_mark.line + 1 if event.start_mark else 1)
    except yaml.MarkedYAMLError as error:
        raise NotPlain(f"is not YAML: {_what(error, text)}") from error
    except yaml.YAMLError as error:  # a character that no YAML has
        reason = printable(str(error).partition("\n")[0])
        raise NotPlain(f"is not YAML: {reason}{_line(error, text)}") from error
    if composer.sentences:
        raise NotPlain(*composer.sentences)
    return composer.documents


def _what(error: yaml.MarkedYAMLError, text: str) -> str:
    """Say what the parser found, and where."""
    mark = error.problem_mark or error.context_mark
    what = printable(str(error.problem))
    if mark is None:
        return what
    begun = error.context_mark or mark
    if error.context == _KEY:  # it is found missing in a later line
        return f"found no ': ' behind a key, {_place(begun)}"
    lines = text.split("\n")[: mark.line + 1]
    if lines[mark.line :] and lines[mark.line][mark.column : mark.column + 1] == "\t":
        what = "found a tab where only spaces may be"
    for number, line in enumerate(lines, start=1):
        if blank := _BLANK.match(line):
            code = ord(blank[1])
            return f"line {number} is indented by U+{code:04X}, which is no space to YAML"
    within = f", within what begins in line {begun.line + 1}" if begun.line != mark.line else ""
    return f"{what}, {_place(mark)}{within}"


def _place(mark: yaml.Mark) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _line(error: yaml.YAMLError, text: str) -> str:
    """Find the line of a character that no YAML has; libyaml counts bytes up to it."""
    character = getattr(error, "character", None)
    if not isinstance(character, int) or not 0 <= character <= sys.maxunicode:
        return ""
    at = text.find(chr(character))
    return "" if at < 0 else f", line {text.count(chr(10), 0, at) + 1}"


@dataclass(slots=True)
class _Open:
    """A mapping or a list (`fields` is None) whose end is yet to come.

    `key` waits for its value.  `before` is the size of all that came earlier.  `merged` are the
    mappings of `<<`, whose fields yield to the mapping's own.
    """

    anchor: str | None
    before: int
    fields: dict[str, Any] | None
    entries: list[Any] = field(default_factory=list)
    key: str | None = None
    merges: bool = False
    merged: list[Any] = field(default_factory=list)

    @property
    def wants_key(self) -> bool:
        return self.fields is not None and self.key is None

    def value(self) -> Any:
        if self.fields is None:
            return self.entries
        made: dict[str, Any] = {}
        for one in reversed(self.merged):
            made |= one
        return made | self.fields


class _Composer:
    """Builds documents on a stack of its own, so that depth costs nothing."""

    def __init__(self) -> None:
        self.documents: list[Any] = []
        self.sentences: list[str] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._size = 0

    def take(self, event: yaml.Event, line: int) -> None:
        """Go one event further.

        Raises:
            NotPlain: where there is no going on.
        """
        match event:
            case yaml.DocumentStartEvent():
                self._anchors.clear()
            case yaml.ScalarEvent():
                self._scalar(event, line)
            case yaml.AliasEvent():
                self._alias(str(event.anchor), line)
            case yaml.CollectionStartEvent():
                self._start(event, line)
            case yaml.CollectionEndEvent():
                done = self._stack.pop()
                self._put(done.value(), line, done.anchor, done.before)
            case _:
                pass  # ends, which say nothing

    def _start(self, event: yaml.CollectionStartEvent, line: int) -> None:
        before = self._size
        self._grow(_VALUE_SIZE, line)
        self._check_tag(event.tag, line)
        if len(self._stack) >= MAX_DEPTH:
            raise NotPlain(f"is nested more than {MAX_DEPTH} levels deep, line {line}")
        if self._stack and self._stack[-1].wants_key:
            raise NotPlain(f"has a mapping or a list as key, line {line}: a key must be text")
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        self._stack.append(_Open(event.anchor, before, {} if is_mapping else None))

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        before = self._size
        self._grow(_VALUE_SIZE + len(event.value), line)
        self._check_tag(event.tag, line)
        if _SURROGATE.search(event.value):  # libyaml refuses it by itself
            raise NotPlain(f"has half of a character (a lone surrogate), line {line}")
        value: Any = event.value
        if event.implicit[0]:
            try:
                value = scalars.resolve(event.value)
            except ValueError as error:
                self._wrong(f"has {printable(event.value)}, line {line}, {error}")
        if self._stack and self._stack[-1].wants_key:
            self._stack[-1].merges = event.implicit[0] and value == "<<"
            if not isinstance(value, str):
                quoted = f'"{printable(event.value)}"'
                self._wrong(f"has the key {shown(value)}, line {line}: quote it as {quoted}")
                value = event.value
        self._put(value, line, event.anchor, before)

    def _alias(self, anchor: str, line: int) -> None:
        if anchor not in self._anchors:
            name = printable(anchor)
            raise NotPlain(f"has *{name}, line {line}, which names nothing that ends before it")
        value, size = self._anchors[anchor]
        self._grow(size, line)
        if self._stack and self._stack[-1].wants_key and not isinstance(value, str):
            raise NotPlain(f"has the key {shown(value)}, line {line}: a key must be text")
        self._put(value, line, None, 0)

    def _grow(self, size: int, line: int) -> None:
        self._size += size
        if self._size > MAX_SIZE:
            raise NotPlain(f"stands for more than {MAX_SIZE >> 20} MiB of values, line {line}")

    def _wrong(self, sentence: str) -> None:
        if len(self.sentences) < MAX_PROBLEMS:
            self.sentences.append(sentence)

    def _check_tag(self, tag: str | None, line: int) -> None:
        if tag not in _PLAIN_TAGS:
            short = printable(str(tag).replace(_TAG, "!!"))
            self._wrong(f"has the tag {short}, line {line}: leave it out")

    def _put(self, value: Any, line: int, anchor: str | None, before: int) -> None:
        """Put a value where it belongs: a document, an entry, a key, or what a key has."""
        if anchor is not None:
            self._anchors[anchor] = (value, self._size - before)
        if not self._stack:
            self.documents.append(value)
            return
        outer = self._stack[-1]
        if outer.fields is None:
            outer.entries.append(value)
        elif outer.key is None:
            outer.key = value
        else:
            self._put_field(outer, outer.fields, outer.key, value, line)
            outer.key = None

    def _put_field(
        self, outer: _Open, fields: dict[str, Any], key: str, value: Any, line: int
    ) -> None:
        if outer.merges:
            merged = value if isinstance(value, list) else [value]
            outer.merges = False
            if all(isinstance(one, dict) for one in merged):
                outer.merged += merged
            else:
                self._wrong(f"has << for what is no mapping, line {line}")
        elif key in fields:
            self._wrong(f"has {shown(key)} twice in one mapping, line {line}: leave one out")
        else:
            fields[key] = value
