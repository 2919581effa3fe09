"""What is wrong with one field of a document."""

from typing import NamedTuple


class Problem(NamedTuple):
    """One problem: the field's path (`spec.memory.perRank`), its value, and what would be right."""

    path: str
    value: object
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.value!r} {self.message}"
