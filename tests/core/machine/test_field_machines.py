"""Machines that people have met, from their files to the CPU sets that they are cut into."""

from pathlib import Path

import pytest

from laid_out import CPU, Files, confined, far, lay_out, machine, near, single
from numalocal.machine.discovery import discover
from numalocal.machine.sysfs import Sysfs
from numalocal.sets.partition import partition
from numalocal.sets.pools import default_pools

MEASURED = [996 + (5 * place * place + 11 * place) % 29 for place in range(144)]
BLOCKS = [718] * 5 + [997] * 5 + [718] * 5 + [1024] * 5
HYBRID = [*near(6), *near(10, threads=1, first=12)]


def halves(cores: int) -> dict[int, range]:
    return {0: range(cores // 2), 1: range(cores // 2, cores)}


def counters(**cpus: str) -> Files:
    return {f"sys/devices/{name}/cpus": text for name, text in cpus.items()}


@pytest.mark.parametrize(
    ("files", "sets", "shared"),
    [
        pytest.param(
            machine(single(20), capacity=lambda place: BLOCKS[place]),
            ["5-9,15-19"],
            "0-4,10-14",
            id="two parts of fast cores beside slow ones",
        ),
        pytest.param(
            machine(single(144), nodes=halves(144), capacity=lambda place: MEASURED[place]),
            ["1-71", "73-143"],
            "0,72",
            id="equal cores whose capacities were measured",
        ),
        pytest.param(
            machine(
                far(20),
                offline=[25],
                smt="on",
                base_khz=lambda place: 2700000 - 600000 * (place > 5),
            ),
            ["1-19,21-24,26-39"],
            "0,20",
            id="Speed Select and one CPU offline",
        ),
        pytest.param(
            machine(HYBRID, smt="on")
            | counters(cpu_core="0-11", cpu_atom="12-19", cpu_lowpower="20-21"),
            ["2-11"],
            "0-1,12-21",
            id="three kinds of cores",
        ),
        pytest.param(
            machine(far(16), smt="on")
            | confined("0-1,16-17", effective="0-31")
            | {f"{CPU}/isolated": "2-15,18-31"},
            ["1-15,17-31"],
            "0,16",
            id="isolated CPUs that no process inherits",
        ),
        pytest.param(
            machine(far(16), smt="on") | confined("4-7,20-23", effective="4-7,20-23"),
            ["5-7,21-23"],
            "4,20",
            id="a container's cpuset",
        ),
        pytest.param(
            machine(far(16), smt="on") | confined("8-11,24-27", effective="0-31"),
            ["9-11,25-27"],
            "8,24",
            id="taskset",
        ),
        pytest.param(
            machine(far(32), nodes=halves(32), offline=range(32, 64), smt="on"),
            ["1-15", "17-31"],
            "0,16",
            id="second threads taken offline by hand",
        ),
        pytest.param(
            machine(near(16), nodes=halves(16), offline=range(1, 32, 2), smt="on"),
            ["2,4,6,8,10,12,14", "18,20,22,24,26,28,30"],
            "0,16",
            id="second threads beside the first ones, taken offline by hand",
        ),
        pytest.param(
            machine(far(64), nodes=halves(64), offline=[30, 31], smt="on"),
            ["1-29,65-95", "33-63,97-127"],
            "0,32,64,96",
            id="two of 128 CPUs offline",
        ),
        pytest.param(
            machine(single(8), offline=[0], smt="notsupported"),
            ["2-7"],
            "1",
            id="CPU 0 offline",
        ),
        pytest.param(
            machine(single(2)) | confined("1", effective="1"),
            ["1"],
            "",
            id="a container of one CPU",
        ),
        pytest.param(
            machine(far(16), offline=[6, 20], smt="on")
            | confined("4-5,7,21-23", effective="4-5,7,21-23"),
            ["5,7,21-23"],
            "4",
            id="a container's cpuset with CPUs offline",
        ),
        pytest.param(
            machine(
                far(8), nodes={0: range(4), 1: range(4, 8)}, memory_gib={0: 64, 1: 0}, smt="on"
            ),
            ["1-3,9-11", "5-7,13-15"],
            "0,4,8,12",
            id="a node of CPUs whose memory slots are empty",
        ),
    ],
)
def test_a_machine_is_cut_as_its_owner_expects(
    tmp_path: Path, files: Files, sets: list[str], shared: str
) -> None:
    found = discover(Sysfs(lay_out(tmp_path, files)))
    cut = partition(found, default_pools(found))

    assert [str(one.cpus) for one in cut.sets] == sets
    assert str(cut.shared) == shared
    assert found.findings == ()
