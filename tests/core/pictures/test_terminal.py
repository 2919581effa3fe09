from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.discovery import discover
from numalocal.idset import IdSet
from numalocal.machine import Finding, Machine
from numalocal.partition import partition
from numalocal.pictures import terminal
from numalocal.pools import Pool
from numalocal.sysfs import Sysfs
from simulated import MACHINES, written

from .conftest import ANSI, SIZES, drawn


@pytest.mark.parametrize("width", [60, 100])
@pytest.mark.parametrize("name", SIZES)
def test_a_picture_reads_as_its_golden_file(
    golden: Callable[[str, str], None], name: str, width: int
) -> None:
    machine, cut, users = drawn(name)

    golden(f"{name}-{width}.txt", terminal.draw(machine, cut, users, width=width, colour=False))


@given(name=st.sampled_from(sorted(SIZES)), width=st.integers(64, 240))
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    machine, cut, users = drawn(name)

    shown = terminal.draw(machine, cut, users, width=width, colour=False)

    assert max(map(len, shown.splitlines())) <= width


@given(name=st.sampled_from(sorted(SIZES)), width=st.integers(60, 240))
def test_every_core_is_one_character(name: str, width: int) -> None:
    machine, cut, _ = drawn(name)

    picture = terminal.draw(machine, cut, {}, width=width, colour=False).split("\n\n")[1]

    blocks = "".join(line.partition("▕")[0].partition("no CPUs")[0] for line in picture.split("\n"))
    assert sum(blocks.count(block) for block in "░▒▓") == len(machine.cores)


@pytest.mark.parametrize("name", SIZES)
def test_colour_adds_nothing_but_colour(name: str) -> None:
    machine, cut, users = drawn(name)

    plain = terminal.draw(machine, cut, users, width=100, colour=False)
    coloured = terminal.draw(machine, cut, users, width=100, colour=True)

    assert "\x1b[" not in plain
    assert coloured != plain
    assert ANSI.sub("", coloured) == plain


def test_many_sets_are_counted_and_the_used_ones_listed() -> None:
    machine, cut, _ = drawn("epyc-nps4")
    used = {cut.sets[5].id: "llama-0 rank 0"}

    shown = terminal.draw(machine, cut, used, width=100, colour=False)

    assert f"A  {cut.sets[5].id}" in shown
    assert "cpuset: 2 free sets of 8 CPUs on node 1" in shown
    assert cut.sets[6].id not in shown


def without_cpu_1() -> Machine:
    machine, _, _ = drawn("cxl")
    return machine._replace(
        online=machine.online - IdSet.of([1]),
        offline=IdSet.of([1]),
        allowed=machine.online - IdSet.parse("1,16-31,48-63"),
        allowed_nodes=IdSet.of([0, 2]),
        findings=(Finding("/sys/devices/system/cpu/online", "an example of what is inconsistent"),),
    )


def test_what_is_offline_or_not_allowed_or_inconsistent_is_told() -> None:
    machine = without_cpu_1()

    shown = terminal.draw(
        machine, partition(machine, [Pool(name="cpuset")]), {}, width=100, colour=False
    )

    assert "\noffline  1\n" in shown
    assert "\nallowed  memory of nodes 0,2\n" in shown
    assert "none: CPU 1 is offline" in shown
    assert "none: not allowed here" in shown
    assert "  × offline   · not allowed here" in shown
    assert shown.endswith(
        "finding  /sys/devices/system/cpu/online: an example of what is inconsistent"
    )


def test_a_machine_without_sets_says_nothing_of_sets() -> None:
    machine, _, _ = drawn("hybrid")

    shown = terminal.draw(machine, None, {}, width=100, colour=False)

    assert "set" not in shown


def test_many_nodes_take_a_line_each() -> None:
    machine = discover(Sysfs(written(MACHINES["nodes-128"])))

    shown = terminal.draw(machine, None, {}, width=80, colour=False)

    assert sum(line.startswith("  node ") for line in shown.splitlines()) == 128
    assert "distance" not in shown
