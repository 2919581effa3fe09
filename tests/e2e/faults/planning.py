"""Which faults a seed draws: first one of each kind, then rounds by weight, each shuffled."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from faults.kinds import Kind


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind, and the seed of everything that is random in it."""

    kind: Kind
    seed: int

    @property
    def again(self) -> str:
        """The command that does this one alone."""
        return f"make faults FAULT={self.kind.name} SEED={self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much of a plan is done."""

    count: int | None = None
    seconds: float | None = None


def plan(seed: int, kinds: Sequence[Kind]) -> Iterator[Fault]:
    """Draw faults without end."""
    random = Random(seed)
    round_of_kinds = list(kinds)
    while True:
        random.shuffle(round_of_kinds)
        for kind in round_of_kinds:
            yield Fault(kind, random.randrange(2**32))
        round_of_kinds = [kind for kind in kinds for _ in range(kind.weight)]


def next_that_fits(faults: Iterator[Fault], left_s: float | None, tries: int) -> Fault | None:
    """Take the next fault that can end within the time left; None where none of `tries` can."""
    for fault in (next(faults) for _ in range(tries)):
        if left_s is None or fault.kind.seconds <= left_s:
            return fault
    return None
