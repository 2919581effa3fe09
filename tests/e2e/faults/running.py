"""One fault after the other, until all is well again or too long has passed."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from faults.planning import Bounds, Fault, next_that_fits
from lab.commands import LabError

STEADY_S = 5
"""How long all must be well: an agent that has died is missed by the kubelet after as long."""

SETTLE_TIMEOUT_S = 300
_SAID = 250
"""How much of the end of an error is told; it begins with a command that may be long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one look has found."""

    given_twice: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a fault did, and what was wrong in the end; nothing where it was survived."""

    fault: Fault
    said: str
    seconds: float
    recovery_s: float
    wrong: tuple[str, ...] = ()


class Clock(Protocol):
    """The time, and how it passes."""

    def monotonic(self) -> float: ...
    def sleep(self, seconds: float, /) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What is done with the lab; each may raise LabError."""

    inject: Callable[[Fault], str]
    look: Callable[[], View]
    sweep: Callable[[Fault], None]
    start_over: Callable[[], None]
    """Make the population anew, after a fault that was not survived."""


def run(
    faults: Iterator[Fault], bounds: Bounds, node: Node, clock: Clock = time
) -> Iterator[Outcome]:
    """Do faults within bounds.

    Raises:
        LabError: where the lab cannot be made well again.
    """
    started, done = clock.monotonic(), 0
    while bounds.count is None or done < bounds.count:
        passed = clock.monotonic() - started
        left = None if bounds.seconds is None else bounds.seconds - passed
        fault = next_that_fits(faults, left, tries=60)
        if fault is None:
            return
        outcome = one(fault, node, clock)
        yield outcome
        done += 1
        if outcome.wrong:
            node.start_over()
            wrong, _ = settle(node.look, clock)
            if wrong:
                raise LabError(f"nothing is well in a new population: {'; '.join(wrong)}")


def one(fault: Fault, node: Node, clock: Clock = time) -> Outcome:
    """Do a fault and wait until all is well."""
    begin = clock.monotonic()
    said, wrong = "", tuple[str, ...]()
    try:
        said = node.inject(fault)
    except LabError as error:
        said, wrong = "not done", (f"the fault cannot be done: {str(error)[-_SAID:]}",)
    undone = clock.monotonic()
    well = undone
    if not wrong:
        wrong, well = settle(node.look, clock)
        node.sweep(fault)
    return Outcome(
        fault=fault,
        said=said,
        seconds=clock.monotonic() - begin,
        recovery_s=well - undone,
        wrong=wrong,
    )


def settle(look: Callable[[], View], clock: Clock = time) -> tuple[tuple[str, ...], float]:
    """Look until nothing is wrong for STEADY_S; give what is wrong, and since when nothing is."""
    deadline = clock.monotonic() + SETTLE_TIMEOUT_S
    well: float | None = None
    while True:
        now = clock.monotonic()
        view = _seen(look)
        if view.given_twice:
            return view.given_twice, now
        if view.unsettled:
            well = None
            if now > deadline:
                return view.unsettled, now
        elif well is None:
            well = now
        elif now - well >= STEADY_S:
            return (), well
        clock.sleep(1)


def _seen(look: Callable[[], View]) -> View:
    try:
        return look()
    except LabError as error:
        return View(unsettled=(f"nothing can be seen: {str(error)[-_SAID:]}",))
