"""Ten thousand lists, as the kernel's own parser reads them.

What is compared: each list is written to cpuset.cpus of an empty cgroup and read back, and given
to our parser.  The kernel takes only CPUs that exist there, so most ids are of this machine.

- What we accept the kernel accepts, with the same ids; unless it has no such CPU (ERANGE, EINVAL).
- What the kernel refuses we refuse, but for CPUs that it does not have.
- What the kernel accepts and we refuse has one of the forms that it never writes: blanks, empty
  items, strides (0-7:1/2), "N" for the last CPU, and "all".  Without blanks and empty items the
  same list is accepted by both, with the same ids.
"""

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

Ask = Callable[[str], str]

LISTS = 10_000
ONLY_THE_KERNELS = re.compile(r"[ \t:Nal]|^,|,,|,$")
STRIDES_AND_WORDS = re.compile(r"[:Nal]")


def open_lines(stack: ExitStack, command: list[str]) -> tuple[Ask, str]:
    """Start a program that answers lines; answers how to ask it, and its first line if any."""
    process = stack.enter_context(
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def ask(line: str) -> str:
        stdin.write(line + "\n")
        stdin.flush()
        return stdout.readline().rstrip("\n")

    return ask, stdout.readline().rstrip("\n") if command[-1].endswith(".py") else ""


@pytest.fixture(scope="module")
def parsers(native_build: Path) -> Iterator[tuple[Ask, Ask]]:
    """Our parser and the kernel's."""
    if os.geteuid() != 0:
        pytest.skip("only root may make a cgroup")
    with ExitStack() as stack:
        ours, _ = open_lines(stack, [str(native_build / "asan" / "idlist_lines")])
        helper = str(Path(__file__).parent / "kernel_lists.py")
        kernels, first = open_lines(stack, ["unshare", "--mount", sys.executable, helper])
        if not first.startswith("version"):
            pytest.skip(first.removeprefix("skip: ") or "no mount namespace can be made here")
        yield ours, kernels


def random_lists(last_cpu: int) -> Iterator[str]:
    """Write lists of ids of this machine mostly, every third with something wrong or strange."""
    chance = random.Random(1)

    def number() -> str:
        value = chance.choice([0, last_cpu, chance.randint(0, last_cpu)])
        if chance.random() < 0.05:
            value = chance.choice([last_cpu + 1, 63, 64, 1024, 2**31, 2**32, 2**64, 10**30])
        return chance.choice(["", "", "", "0", "00"]) + str(value)

    def item() -> str:
        return "-".join(number() for _ in range(chance.choice([1, 1, 2, 2, 2])))

    for index in range(LISTS):
        text = ",".join(item() for _ in range(chance.randint(1, 6)))
        while index % 3 == 0 and chance.random() < 0.7:
            place = chance.randint(0, len(text))
            odd = chance.choice([*",,--  \t:/+x;N", "all", ":1/2", ""])
            text = text[:place] + odd + text[place + chance.randint(0, 2) :]
        yield text or "0"


def without_gaps(text: str) -> str:
    """Leave out what the kernel passes over: blanks beside items, and empty items."""
    return ",".join(item for item in re.split(r"[ \t,]+", text) if item)


def test_the_kernel_reads_lists_as_we_do(parsers: tuple[Ask, Ask]) -> None:
    ours, kernels = parsers
    last_cpu = int(
        Path("/sys/devices/system/cpu/online").read_text().replace("-", ",").split(",")[-1]
    )
    seen = {"both": 0, "neither": 0, "no such CPU": 0, "kernel only": 0}

    for text in random_lists(last_cpu):
        our, kernel = ours(text), kernels(text)
        if kernel.startswith("= ") and not our.startswith("! "):
            assert our == kernel.removeprefix("= "), text
            seen["both"] += 1
        elif kernel.startswith("= "):
            assert ONLY_THE_KERNELS.search(text), (text, our, kernel)
            if not STRIDES_AND_WORDS.search(text):
                assert ours(without_gaps(text)) == kernel.removeprefix("= "), text
            seen["kernel only"] += 1
        elif our.startswith("! "):
            seen["neither"] += 1
        else:
            assert max(map(int, re.findall(r"\d+", our))) > last_cpu, (text, our, kernel)
            seen["no such CPU"] += 1

    assert sum(seen.values()) == LISTS
    assert min(seen.values()) > 100, seen


@pytest.mark.parametrize("text", ["0-", "-0", "1-0", "0--0", "0x0", "0;0", "+0", "0-0-0", "a"])
def test_both_refuse(parsers: tuple[Ask, Ask], text: str) -> None:
    ours, kernels = parsers

    assert ours(text).startswith("! ")
    assert kernels(text).startswith("! ")
