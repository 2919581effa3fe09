"""The note on a CPU quota that is less than the plan's compute threads."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Bind = Callable[..., subprocess.CompletedProcess[str]]
Machine = Callable[..., Path]
Check = Callable[..., list[str]]

ROOMY = {"MemTotal": 1 << 20, "MemFree": 1 << 20}
MOUNT = "sys/fs/cgroup"
V1 = "3:cpu,cpuacct:/docker/x\n2:memory:/other\n0::/\n"


@pytest.fixture
def notes(bind: Bind, machine: Machine) -> Check:
    """Check a plan of eight CPUs; answers the notes on files."""

    def run(own: str, files: Mapping[str, str], **more: str) -> list[str]:
        root = machine(
            cpus="0-7",
            nodes={0: ROOMY},
            files={"proc/self/cgroup": own}
            | {f"{MOUNT}/{path}": f"{text}\n" for path, text in files.items()},
        )
        env = {
            "NUMALOCAL_CPUS": "0-7",
            "NUMALOCAL_MEMS": "0",
            "NUMALOCAL_RANKS": "2",
            "NUMALOCAL_RANK_CPUS": "0-3|4-7",
            "NUMALOCAL_RANK_MEMS": "0|0",
        }
        checked = bind("check", "--root", root, env=env | more)
        report: dict[str, Any] = json.loads(checked.stdout)
        assert (checked.returncode, report["problems"]) == (0, [])
        return [one for one in report["notes"] if "cpu." in one]

    return run


@pytest.mark.parametrize(
    ("own", "files", "quota", "file"),
    [
        pytest.param("0::/\n", {"cpu.max": "400000 100000"}, "4 CPUs", "cpu.max", id="own"),
        pytest.param("0::/\n", {"cpu.max": "10000000 100"}, None, None, id="more than enough"),
        pytest.param("0::/\n", {"cpu.max": "800000 100000"}, None, None, id="just enough"),
        pytest.param(
            "0::/a/b\n",
            {"cpu.max": "max 100000", "a/cpu.max": "75 50", "a/b/cpu.max": "400000 100000"},
            "1.5 CPUs",
            "a/cpu.max",
            id="the least of the chain",
        ),
        pytest.param("0::/\n", {"cpu.max": "100000 100000"}, "1 CPU", "cpu.max", id="one"),
        pytest.param("0::/\n", {"cpu.max": "1000 100000"}, "0.01 CPUs", "cpu.max", id="a part"),
        pytest.param("0::/\n", {"cpu.max": "3000000 300000"}, None, None, id="ten"),
        pytest.param(
            V1,
            {
                "cpu,cpuacct/docker/x/cpu.cfs_quota_us": "250000",
                "cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000",
                "cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            "2.5 CPUs",
            "cpu,cpuacct/docker/x/cpu.cfs_quota_us",
            id="version 1",
        ),
    ],
)
def test_a_quota_of_less_than_the_threads_is_a_note(
    notes: Check, own: str, files: Mapping[str, str], quota: str | None, file: str | None
) -> None:
    wanted = (
        f"the CPU quota of {quota} in /{MOUNT}/{file} is less than the 8 compute threads of the "
        "plan: all stand still for a part of every period; leave out the container's CPU limit"
    )

    assert notes(own, files) == ([wanted] if quota else [])


def test_the_compute_threads_of_the_plan_count_where_it_names_them(notes: Check) -> None:
    files = {"cpu.max": "400000 100000"}

    assert notes("0::/\n", files, NUMALOCAL_RANK_COMPUTE_CPUS="0-1|4-5") == []
    assert "5 compute threads" in notes("0::/\n", files, NUMALOCAL_RANK_COMPUTE_CPUS="0-2|4-5")[0]


@pytest.mark.parametrize("text", ["", "4", "x 100000", "400000 0", "0 100000", "1 2 3", "-2 1"])
def test_a_quota_that_is_none_is_a_note_and_never_guessed(notes: Check, text: str) -> None:
    assert notes("0::/\n", {"cpu.max": text}) == [
        f'/{MOUNT}/cpu.max says "{text}", which is no quota and its period in microseconds'
    ]


def test_a_quota_of_version_1_without_its_period_is_none(notes: Check) -> None:
    assert notes(V1, {"cpu/docker/x/cpu.cfs_quota_us": "250000"}) == [
        f'/{MOUNT}/cpu/docker/x/cpu.cfs_quota_us says "250000 ", which is no quota and its period '
        "in microseconds"
    ]
