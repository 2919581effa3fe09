"""What the small engines print: that they run, and their rate in the words numalocal reads."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import Final

INTERVAL_S: Final = 0.2


def options(description: str) -> argparse.ArgumentParser:
    """Give a command line with what all of them take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=600, help="how long to compute")
    return parser


def compute(name: str, step: Callable[[], object], *, bytes_per_step: int, seconds: float) -> None:
    """Compute one token after another for some seconds, and tell the rate about every 0.2 s.

    `at` is the clock that all processes share, so that two engines can be counted over the same
    time.
    Where nobody reads that any more, it ends with a BrokenPipeError.
    """
    step()  # the first starts the threads and touches the memory
    _say(f"ready pid={os.getpid()}")
    start = said = now = time.monotonic()
    tokens = 0
    while now - start < seconds:
        step()
        tokens += 1
        now = time.monotonic()
        if now - said >= INTERVAL_S:
            said = now
            per_s = tokens / (now - start)
            gb_per_s = per_s * bytes_per_step / 1e9
            _say(f"{name} tokens_per_s={per_s:.2f} gb_per_s={gb_per_s:.2f} {tokens=} at={now:.3f}")
    _say(f"done tokens={tokens}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
