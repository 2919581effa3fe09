"""Read the fields of a raw document, gathering every problem instead of stopping at the first."""

import difflib
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar, overload

from numalocal.problems import Problem
from numalocal.quantity import parse_bytes

Word = TypeVar("Word", bound=str)
Default = TypeVar("Default")

_LEAST_BYTES: Final = 1 << 20
"""No program and no set does with less memory: such a number has lost its unit."""


class Fields:
    """One mapping of a document at a field path; problems go into the list that all share."""

    def __init__(self, raw: object, path: str, problems: list[Problem]) -> None:
        self.path = path
        self._problems = problems
        self._raw: Mapping[str, Any] = {}
        if isinstance(raw, Mapping):
            self._raw = raw
        elif raw is not None:
            self.problem(None, raw, "must be a mapping")

    def problem(self, name: str | None, value: object, message: str) -> None:
        """Note a problem of a field, or of the mapping itself where the name is None; once each."""
        path = self.path if name is None else f"{self.path}.{name}"
        problem = Problem(path, value, message)
        if problem not in self._problems:
            self._problems.append(problem)

    def only(self, known: Collection[str]) -> None:
        """Refuse fields that are not known, naming the nearest one that is."""
        for name in self._raw:
            if name in known:
                continue
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}"
            self.problem(str(name), self._raw[name], f"is not a field{hint}")

    def below(self, name: str) -> "Fields":
        """Go into the mapping of a field; an absent one is empty."""
        return Fields(self._raw.get(name), f"{self.path}.{name}", self._problems)

    def each(self, name: str) -> "list[Fields]":
        """Go into every mapping of a list; an absent list is empty."""
        values = self._raw.get(name)
        if values is None:
            return []
        if not isinstance(values, list):
            self.problem(name, values, "must be a list")
            return []
        path = f"{self.path}.{name}"
        return [Fields(one, f"{path}[{index}]", self._problems) for index, one in enumerate(values)]

    def names(self) -> tuple[str, ...]:
        """Name the fields there are, in the document's order."""
        return tuple(str(name) for name in self._raw)

    def raw(self, name: str) -> Any:
        """Give the value as it stands; None where it is absent."""
        return self._raw.get(name)

    @overload
    def integer(self, name: str, default: int, *, least: int, most: int | None = None) -> int: ...
    @overload
    def integer(
        self, name: str, default: None, *, least: int, most: int | None = None
    ) -> int | None: ...
    def integer(
        self, name: str, default: int | None, *, least: int, most: int | None = None
    ) -> int | None:
        """Read a whole number within the bounds."""
        value = self._raw.get(name)
        if value is None:
            return default
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
        if fits and (most is None or value <= most):
            return int(value)
        bounds = f"from {least}" if most is None else f"from {least} to {most}"
        self.problem(name, value, f"must be a whole number {bounds}")
        return default

    def choice(self, name: str, choices: Collection[Word], default: Default) -> Word | Default:
        """Read one of the words."""
        value = self._raw.get(name)
        if value is None:
            return default
        for word in choices:
            if value == word:
                return word
        self.problem(name, value, f"must be one of: {', '.join(choices)}")
        return default

    def size_bytes(self, name: str) -> int | None:
        """Read a quantity of memory as bytes, at least 1 MiB; None where it is absent."""
        value = self._raw.get(name)
        if value is None:
            return None
        try:
            size = parse_bytes(value)
        except ValueError:
            size = 0
        if size >= _LEAST_BYTES:
            return size
        message = "must be an amount of memory such as 64Gi"
        self.problem(name, value, _too_few(str(value), size) if size > 0 else message)
        return None


def _too_few(written: str, size_bytes: int) -> str:
    """Say how little it is, and what was meant: who writes 64 or 512m thinks of a larger unit."""
    said = f"is {size_bytes} byte{'' if size_bytes == 1 else 's'}, too few for anything"
    meant = f"{written.removesuffix('m')}{'Mi' if written.endswith('m') else 'Gi'}"
    known = meant[:-2].isdecimal()
    return f"{said}: did you mean {meant}?" if known else f"{said}: write an amount such as 64Gi"
