"""Two engines at the same time, held still where others are measured."""

import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from .engine import Engine
from .family import Family

SETTLE_S: Final = 1.0
ROUND_S: Final = 4.0

Told = dict[str, str]
Start = Callable[[Sequence[str], Told], Engine]


class Pair:
    """Two engines of one kind, held still but where they are measured."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.engines = engines
        self.families = [Family(engine.pid) for engine in engines]
        self.rounds: list[float] = []

    def computes_on(self) -> str:
        """Tell on which CPUs the main thread of each worker may run."""
        allowed = (family.cpus()[family.workers()[0]][0] for family in self.families)
        return " and ".join(map(str, allowed))

    def measure(self) -> None:
        """Let both run at the same time, and note their tokens per second."""
        with self.families[0].running(), self.families[1].running():
            time.sleep(SETTLE_S)
            start_s = time.monotonic()
            time.sleep(ROUND_S)
            end_s = time.monotonic()
        self.rounds.append(sum(engine.rate(start_s, end_s) for engine in self.engines))


def together(start: Start, commands: Sequence[tuple[Sequence[str], Told]]) -> Pair:
    """Start two engines at the same time, and hold them still once both compute."""
    with ThreadPoolExecutor(len(commands)) as pool:
        pair = Pair(list(pool.map(lambda one: start(*one), commands)))
    for family in pair.families:
        family.send(signal.SIGSTOP)
    return pair
