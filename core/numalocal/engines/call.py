"""How a container calls its engine: which program of it, with which words and variables."""

from dataclasses import dataclass
from typing import Final

from numalocal.engines import arguments, wrappers
from numalocal.engines.arguments import Command
from numalocal.engines.job import Job

_DIGITS: Final = 10
"""Longer numbers are none of ranks."""


@dataclass(frozen=True, slots=True)
class Program:
    """One of an engine's programs; `name` is its name in sentences.

    `reads_options` tells that it takes the engine's options behind its own words, and
    `reads_variables` that it takes the engine's variables.
    """

    name: str
    reads_options: bool = True
    reads_variables: bool = True


LIBRARY: Final = Program("a Python program of your own", reads_options=False)
"""The engine is a library in it: options are what the program makes of them."""
UNKNOWN_PROGRAM: Final = Program("", reads_options=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """How a job's container calls its engine: one program, its words, its variables.

    `command` is all that may call it, in one, and `several` tells that this is more than one.
    `abbreviated` are the options of which the program takes a beginning for the whole.  `doubtful`
    tells that there may be options which cannot be seen from here.  `closed` says why no argument
    can be added; empty where one can.
    """

    job: Job
    program: Program
    command: Command
    several: bool
    abbreviated: frozenset[str]
    doubtful: bool
    closed: str

    def own(self, *names: str) -> str:
        """Name the first of these options and variables that the user gives; empty = none."""
        return next((name for name in names if self._gives(name)), "")

    def value(self, name: str) -> str | None:
        """Give the value of an option or a variable; None where it has none, or none is known."""
        if name.startswith("-"):
            return arguments.value(self.command.words, name, self.abbreviated)
        return self.command.variables.get(name, self.job.variables.get(name))

    def number(self, *options: str, absent: int = 1) -> int | None:
        """Give the number that an option says by one of its names; None where nobody knows it."""
        own = self.own(*options)
        if not own:
            return None if self.doubtful else absent
        said = (self.value(own) or "").strip()
        plain = said.isascii() and said.isdecimal() and len(said) < _DIGITS
        return int(said) if plain and not self.several else None

    @property
    def binds_ranks(self) -> bool:
        """Tell whether the binder starts the ranks, or somebody by it."""
        names = (*self.command.wrappers, *(wrappers.base(word) for word in self.command.words))
        return wrappers.BINDER in names

    def _gives(self, name: str) -> bool:
        if name.startswith("-"):
            return arguments.given(self.command.words, name, self.abbreviated)
        return name in self.job.variables or name in self.command.variables
