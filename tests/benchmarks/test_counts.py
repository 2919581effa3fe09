"""What discovery and the webhook cost, counted and not timed: no busy machine can fail it."""

import subprocess
import sys
from collections.abc import Callable
from types import FrameType

from numalocal_operator.planning.offered import Offered
from numalocal_operator.webhook.review import answer
from simulated import MACHINES, written

from .webhook import IMAGE, POOLS, review

COUNTED = """
import sys
from numalocal.machine.discovery import discover
from numalocal.machine.sysfs import Sysfs

root, touched = sys.argv[1], []
sys.addaudithook(
    lambda event, arguments: touched.append(event)
    if event in ("open", "os.listdir", "os.scandir") and str(arguments[0]).startswith(root)
    else None
)
discover(Sysfs(root))
print(len(touched))
"""
"""Counts files opened and directories listed; an audit hook stays, so it has its own process."""


def touched(name: str) -> int:
    command = [sys.executable, "-c", COUNTED, str(written(MACHINES[name]))]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_eight_times_the_cpus_are_eight_times_the_files() -> None:
    small, large = touched("cpus-256"), touched("cpus-2048")

    assert small > len(MACHINES["cpus-256"].cores)
    assert large <= 8.5 * small


def calls(function: Callable[[], object]) -> int:
    """Count the calls of Python functions."""
    count = 0

    def called(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(called)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def test_a_review_costs_in_proportion_to_its_pod() -> None:
    def reviewed(size: int) -> int:
        one = review(size)
        return calls(lambda: answer(one, lambda _: Offered(POOLS), IMAGE))

    small, large = reviewed(20_000), reviewed(80_000)

    assert small < 20_000
    assert large <= 4.5 * small
