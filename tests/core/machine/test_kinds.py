"""Kinds of cores: what the kernel calls kinds, or what differs clearly."""

from pathlib import Path

import pytest

from laid_out import CPU, Files, far, lay_out, machine, near, single
from numalocal.machine.discovery import discover
from numalocal.machine.model import Machine
from numalocal.machine.sysfs import Sysfs

HYBRID = [*near(2), *near(4, threads=1, first=4)]
"""Two cores of two threads, and four of one."""


def discovered(root: Path, files: Files) -> Machine:
    return discover(Sysfs(lay_out(root, files)))


def kinds(found: Machine) -> list[tuple[str, str]]:
    return [(one.kind, str(one.cpus)) for one in found.kinds]


def counters(**cpus: str) -> Files:
    return {f"sys/devices/{name}/cpus": text for name, text in cpus.items()}


def registers(*values: int) -> Files:
    name = "regs/identification/midr_el1"
    return {f"{CPU}/cpu{cpu}/{name}": f"0x{value:016x}" for cpu, value in enumerate(values)}


BLOCKS = [718] * 5 + [997] * 5 + [718] * 5 + [1024] * 5


@pytest.mark.parametrize(
    ("capacities", "expected"),
    [
        pytest.param(
            BLOCKS,
            [("performance", "5-9,15-19"), ("efficiency", "0-4,10-14")],
            id="two parts of the faster kind",
        ),
        pytest.param([996 + (7 * i * i) % 29 for i in range(144)], [], id="measured, and equal"),
        pytest.param([1024, 940, 860, 790], [], id="no gap of a tenth anywhere"),
        pytest.param([1024, 922], [], id="a tenth apart"),
        pytest.param([1024, 921], [("performance", "0"), ("efficiency", "1")], id="a little more"),
        pytest.param(
            [250, 250, 700, 1024],
            [("performance", "3"), ("efficiency", "2"), ("efficiency", "0-1")],
            id="three clusters",
        ),
        pytest.param([0, 0], [], id="nothing measured"),
    ],
)
def test_capacities_make_kinds_where_there_is_a_gap_of_more_than_a_tenth(
    tmp_path: Path, capacities: list[int], expected: list[tuple[str, str]]
) -> None:
    files = machine(single(len(capacities)), capacity=lambda place: capacities[place])

    found = discovered(tmp_path, files)

    assert kinds(found) == expected
    assert found.findings == ()


def test_a_kind_has_the_capacity_of_its_fastest_core(tmp_path: Path) -> None:
    found = discovered(tmp_path, machine(single(20), capacity=lambda place: BLOCKS[place]))

    assert [one.capacity for one in found.kinds] == [1024, 718]


def test_base_frequencies_of_equal_cores_make_no_kinds(tmp_path: Path) -> None:
    files = machine(
        far(20), offline=[25], smt="on", base_khz=lambda place: 2700000 - 600000 * (place > 5)
    )

    assert kinds(discovered(tmp_path, files)) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(
            counters(cpu_core="0-3", cpu_atom="4-7"),
            [("performance", "0-3"), ("efficiency", "4-7")],
            id="two",
        ),
        pytest.param(
            counters(cpu_core="0-3", cpu_atom="4-5", cpu_lowpower="6-7"),
            [("performance", "0-3"), ("efficiency", "4-5"), ("efficiency", "6-7")],
            id="three",
        ),
        pytest.param(
            counters(cpu_atom="0-5", cpu_lowpower="6-7"),
            [("performance", "0-5"), ("efficiency", "6-7")],
            id="none of the fastest",
        ),
        pytest.param(counters(cpu_core="0-7", cpu_atom=""), [], id="only one has CPUs"),
        pytest.param(counters(cpu_core="0-7"), [], id="only one is there"),
        pytest.param(counters(cpu_core="", cpu_atom=""), [], id="none has CPUs"),
    ],
)
def test_the_counters_of_a_kind_name_its_cpus(
    tmp_path: Path, files: Files, expected: list[tuple[str, str]]
) -> None:
    found = discovered(tmp_path, machine(HYBRID) | files)

    assert kinds(found) == expected
    assert found.findings == ()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (counters(cpu_core="0-3", cpu_atom="4-6"), "no kind's counters name CPUs 7"),
        (counters(cpu_core="0-3", cpu_atom="3-7"), "names CPUs 3 of another kind too"),
        (counters(cpu_core="0-3", cpu_atom="x"), "neither an id nor a range"),
    ],
)
def test_counters_that_contradict_each_other_are_a_finding(
    tmp_path: Path, files: Files, message: str
) -> None:
    found = discovered(tmp_path, machine(HYBRID) | files)

    assert kinds(found)[0] == ("performance", "0-3")
    assert any(message in one.message for one in found.findings)


FAST, SLOW = 0x410FD850, 0x410FD870
"""Two parts of one maker."""


@pytest.mark.parametrize(
    ("values", "capacities", "expected"),
    [
        ([SLOW, SLOW, FAST, FAST], [500, 500, 1024, 1000], ["2-3", "0-1"]),
        ([SLOW, SLOW, FAST, FAST], [990, 990, 1024, 1024], ["2-3", "0-1"]),
        ([SLOW, SLOW, FAST, FAST], [1024] * 4, []),
        ([FAST, FAST + 1, FAST | 1 << 20, FAST], [1024] * 4, []),
        ([FAST] * 4, [1024, 1024, 700, 700], ["0-1", "2-3"]),
        ([FAST, FAST, SLOW, SLOW], [1024, 700, 400, 400], ["0-1", "2-3"]),
    ],
    ids=[
        "two parts",
        "two parts nearly as fast",
        "two parts equally fast",
        "revisions and variants of one part",
        "one part at two speeds",
        "a part at two speeds and another",
    ],
)
def test_arm_parts_are_kinds(
    tmp_path: Path, values: list[int], capacities: list[int], expected: list[str]
) -> None:
    files = machine(single(4), capacity=lambda place: capacities[place])

    found = discovered(tmp_path, files | registers(*values))

    assert [str(one.cpus) for one in found.kinds] == expected
    assert found.findings == ()


def test_parts_of_which_nothing_tells_the_faster_are_one_kind_and_a_finding(tmp_path: Path) -> None:
    found = discovered(tmp_path, machine(single(2)) | registers(SLOW, FAST))

    assert found.kinds == ()
    assert "nothing tells the faster" in found.findings[0].message


@pytest.mark.parametrize("text", ["", "0x", "410fd850", "0x" + "f" * 17, "0x-1"])
def test_a_register_that_is_none_is_a_finding(tmp_path: Path, text: str) -> None:
    files = machine(single(2)) | {f"{CPU}/cpu0/regs/identification/midr_el1": text}

    assert "is not a register of 64 bits" in discovered(tmp_path, files).findings[0].message


def test_a_capacity_that_one_core_lacks_counts_for_none(tmp_path: Path) -> None:
    files = machine(single(2), capacity=lambda place: 1024 - 500 * place)
    del files[f"{CPU}/cpu1/cpu_capacity"]

    found = discovered(tmp_path, files)

    assert found.kinds == ()
    assert [one.path for one in found.findings] == [f"/{CPU}/cpu1/cpu_capacity"]


@pytest.mark.parametrize(
    ("slower_khz", "expected"), [(1400000, ["0-3", "4-7"]), (1800000, []), (2000000, [])]
)
def test_cores_of_fewer_threads_that_are_clearly_slower_are_a_kind(
    tmp_path: Path, slower_khz: int, expected: list[str]
) -> None:
    """As a capture or a container shows a hybrid machine: without the folders of its counters."""
    files = machine(HYBRID, base_khz=lambda place: 1900000 if place < 2 else slower_khz)

    assert [str(one.cpus) for one in discovered(tmp_path, files).kinds] == expected


@pytest.mark.parametrize(
    ("offline", "kind", "findings"),
    [
        pytest.param([4], "efficiency", 0, id="between cores of two kinds, as large as one"),
        pytest.param([6], "efficiency", 0, id="among cores of its kind"),
        pytest.param([2, 3], "performance", 1, id="at the border"),
    ],
)
def test_a_core_that_is_offline_has_the_kind_of_those_beside_it(
    tmp_path: Path, offline: list[int], kind: str, findings: int
) -> None:
    on = [cpu for cpu in range(8) if cpu not in offline]
    files = machine(HYBRID, offline=offline, smt="on") | counters(
        cpu_core=",".join(str(cpu) for cpu in on if cpu < 4),
        cpu_atom=",".join(str(cpu) for cpu in on if cpu >= 4),
    )

    found = discovered(tmp_path, files)
    kind_of = {core.cpus.first: core.kind for core in found.cores}

    assert len(found.findings) == findings
    if not findings:
        assert kind_of[offline[0]] == kind
