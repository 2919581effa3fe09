"""What is drawn: machines laid out as files and discovered, cut and used in part."""

import os
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from numalocal.discovery import discover
from numalocal.machine import Machine
from numalocal.partition import Partition, partition
from numalocal.pools import Pool
from numalocal.sysfs import Sysfs
from simulated import MACHINES, written

GOLDEN = Path(__file__).parents[2] / "golden" / "pictures"
Drawn = tuple[Machine, Partition, Mapping[str, str]]

SIZES = {"hybrid": 2, "epyc-nps4": 4, "xeon-max-hbm": 4, "cxl": 8}
"""Cores per set of the machines that are drawn; every other set is used."""

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@cache
def drawn(name: str) -> Drawn:
    machine = discover(Sysfs(written(MACHINES[name])))
    cut = partition(machine, [Pool(name="cpuset", size=SIZES[name])])
    used = {one.id: f"llama-{place} rank 0" for place, one in enumerate(cut.sets[::2])}
    return machine, cut, used


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    def compare(name: str, shown: str) -> None:
        path = GOLDEN / name
        if os.environ.get("NUMALOCAL_GOLDEN") == "write":
            path.write_text(shown + "\n", encoding="utf-8")
        assert shown + "\n" == path.read_text(encoding="utf-8")

    return compare
