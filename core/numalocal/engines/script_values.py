"""What a shell would put for `$NAME`, `$1` or `"$@"`, as far as that is known outside it."""

import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Final

UNKNOWN: Final = "\0"
"""Stands in a word for text that is not known; no word of a container can have it."""
UNKNOWN_WORDS: Final = "\1"
"""The same for what the shell may make into several words, or none."""

_MOST: Final = 1 << 20
"""Characters that a script may expand to in all; more than a pod's document can have."""
_NAME: Final = re.compile(r"\$\{?([A-Za-z_]\w*)(\}|:?[-=].*\})?", re.DOTALL)
_POSITION: Final = re.compile(r"\$(?:([0-9])|\{([0-9]{1,5})\})")
_ALL: Final = frozenset({"$@", "$*", "${@}", "${*}"})


@dataclass(slots=True)
class Values:
    """A shell's variables and its operands $1, $2, ...; `count` are the characters given so far."""

    known: MutableMapping[str, str]
    operands: Sequence[str]
    shifted: int = 0
    count: int = 0

    def value(self, reference: str) -> str:
        """Give what a reference stands for, UNKNOWN where that is for the shell to find out."""
        if reference in _ALL:
            return self._counted(" ".join(self.operands[self.shifted :]))
        if position := _POSITION.fullmatch(reference):
            return self._operand(int(position[1] or position[2]))
        found = _NAME.fullmatch(reference)
        if found is None or (value := self.known.get(found[1])) is None:
            return UNKNOWN
        has_default = found[2] not in (None, "}")
        return UNKNOWN if has_default and not value else self._counted(value)

    def words(self) -> Sequence[str]:
        """Give what `"$@"` stands for."""
        if self.count >= _MOST:
            return (UNKNOWN_WORDS,)
        return [self._counted(one) for one in self.operands[self.shifted :]]

    def follow(self, command: Sequence[str]) -> None:
        """Let `set -- ...` and `shift` change the operands."""
        if command[0] == "set" and "--" in command:
            self.operands, self.shifted = command[command.index("--") + 1 :], 0
        elif command[0] == "shift":
            self.shifted += 1

    def _operand(self, number: int) -> str:
        if number == 0:
            return UNKNOWN
        at = self.shifted + number - 1
        return self._counted(self.operands[at]) if at < len(self.operands) else ""

    def _counted(self, value: str) -> str:
        """Keep what doubles itself line by line from growing without end."""
        self.count += len(value) + 1
        return value if self.count < _MOST else UNKNOWN
