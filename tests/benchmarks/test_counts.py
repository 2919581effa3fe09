"""What discovery costs, counted and not timed: no busy machine can fail it."""

import subprocess
import sys

from simulated import MACHINES, written

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
