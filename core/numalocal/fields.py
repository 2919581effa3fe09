"""Read the fields of a raw document, gathering every problem instead of stopping at the first."""

from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar, overload

from numalocal import hints
from numalocal.problems import Problem
from numalocal.quantity import parse_bytes

MAX_PROBLEMS: Final = 50
"""What is noted of one document: nobody reads more, and a hostile one could have any number."""

MAX_DEPTH: Final = 100
"""How deep mappings and lists may lie in each other, so that whoever reads on may recurse."""

Word = TypeVar("Word", bound=str)
Default = TypeVar("Default")

_LEAST_BYTES: Final = 1 << 20
"""No program and no set does with less memory: such a number has lost its unit."""


class Fields:
    """One mapping of a document at a field path, empty for the document itself.

    Problems go into the list that all share.
    """

    def __init__(
        self, raw: object, path: str, problems: list[Problem], first: str | None = None
    ) -> None:
        self.path = path
        self._problems = problems
        self._raw: Mapping[str, Any] = {}
        if isinstance(raw, Mapping):
            self._raw = raw
        elif raw is not None:
            self.problem(None, raw, hints.no_mapping(raw, first))

    def problem(self, name: str | None, value: object, message: str) -> None:
        """Note a problem of a field, or of the mapping itself where the name is None; once each."""
        path = self.path if name is None else joined(self.path, name)
        problem = Problem(path, value, message)
        if len(self._problems) < MAX_PROBLEMS and problem not in self._problems:
            self._problems.append(problem)

    def only(
        self, known: Collection[str], below: Mapping[str, Collection[str]] | None = None
    ) -> None:
        """Refuse fields that are not known, naming the nearest one that is.

        `below` has by path the fields of mappings further in, as an indent is soon lost.
        """
        for name in self._raw:
            if name in known:
                continue
            if len(self._problems) >= MAX_PROBLEMS:
                return  # to look for the nearest name takes its time
            inner = [at for at, fields in (below or {}).items() if name in fields]
            message = hints.no_field(str(name), known)
            if inner:
                meant = joined(f"{self.path}.{inner[0]}".lstrip("."), str(name))
                message = f"is not a field here; did you mean {meant}?"
            self.problem(str(name), self._raw[name], message)

    def below(self, name: str, first: str | None = None) -> "Fields":
        """Go into the mapping of a field; an absent one is empty.

        `first` is the field of it that is meant by who writes its value alone.
        """
        return Fields(self._raw.get(name), joined(self.path, name), self._problems, first)

    def each(self, name: str) -> "list[Fields]":
        """Go into every mapping of a list; an absent list is empty."""
        values = self._raw.get(name)
        if values is None:
            return []
        if not isinstance(values, list):
            self.problem(name, values, "must be a list")
            return []
        found = []
        for index, one in enumerate(values):
            if isinstance(one, Mapping):
                found.append(Fields(one, f"{joined(self.path, name)}[{index}]", self._problems))
            else:
                self.problem(f"{name}[{index}]", one, "must be a mapping")
        return found

    def names(self) -> tuple[str, ...]:
        """Name the fields there are, in the document's order."""
        return tuple(str(name) for name in self._raw)

    @property
    def whole(self) -> Mapping[str, Any]:
        """The mapping itself; an empty one where there is none."""
        return self._raw

    def raw(self, name: str) -> Any:
        """Give the value as it stands; None where it is absent."""
        return self._raw.get(name)

    def text(self, name: str) -> str | None:
        """Read a text; None where it is absent."""
        value = self._raw.get(name)
        return None if value is None else self._text(name, value)

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of texts; none where it is absent, and an empty one for null, as in Go."""
        values = self._raw.get(name)
        if values is None:
            return ()
        if not isinstance(values, list):
            self.problem(name, values, f"must be a list{hints.such_as(values)}")
            return ()
        return tuple(
            "" if one is None else self._text(f"{name}[{index}]", one)
            for index, one in enumerate(values)
        )

    def table(self, name: str) -> Mapping[str, str]:
        """Read a mapping of texts; empty where it is absent."""
        table = self.below(name)
        return {key: table.text(key) or "" for key in table.names()}

    def _text(self, name: str, value: object) -> str:
        if not isinstance(value, str):
            self.problem(name, value, hints.as_text(value))
            return ""
        if "\0" in value:
            self.problem(name, value, "must not hold a NUL character, which ends a text")
        return value

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
        self.problem(name, value, f"must be a whole number {bounds}{hints.no_number(value)}")
        return default

    def flag(self, name: str) -> bool:
        """Read a truth value, False where it is absent."""
        value = self._raw.get(name)
        if value is not None and not isinstance(value, bool):
            self.problem(name, value, "must be true or false")
        return value is True

    def choice(self, name: str, choices: Collection[Word], default: Default) -> Word | Default:
        """Read one of the words."""
        value = self._raw.get(name)
        if value is None:
            return default
        for word in choices:
            if value == word:
                return word
        self.problem(name, value, hints.no_choice(value, choices))
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
        lost = hints.too_few(str(value), size) if size > 0 else hints.no_size(value)
        self.problem(name, value, lost)
        return None


def joined(path: str, name: str) -> str:
    """Go on with a path; a key that has dots itself stands in brackets, as in Kubernetes' own."""
    if not path:
        return name
    return f"{path}[{name}]" if "." in name or "/" in name else f"{path}.{name}"


def is_deeper(value: object, most: int) -> bool:
    """Tell whether mappings and lists lie in each other deeper than this, without going deeper."""
    level = [value]
    for _ in range(most):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: object) -> Collection[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()
