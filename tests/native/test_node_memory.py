"""What check makes of a node's files: where they are not, where they are not the kernel's."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Bind = Callable[..., subprocess.CompletedProcess[str]]
Machine = Callable[..., Path]
Check = Callable[..., dict[str, Any]]

GIB = 1 << 30
GIB_KB = 1 << 20
NODES = "sys/devices/system/node"
ROOMY = {"MemTotal": 64 * GIB_KB, "MemFree": 64 * GIB_KB}
HUGE = f"{NODES}/node0/hugepages"


@pytest.fixture
def check(bind: Bind, machine: Machine) -> Check:
    """Check one rank of 16 GiB on node 0 of this machine."""

    def run(nodes: Mapping[int, Mapping[str, int]], files: Mapping[str, str]) -> dict[str, Any]:
        root = machine(nodes=nodes, files=files)
        env = {
            "NUMALOCAL_CPUS": "2-3",
            "NUMALOCAL_MEMS": "0",
            "NUMALOCAL_RANKS": "1",
            "NUMALOCAL_RANK_CPUS": "2-3",
            "NUMALOCAL_RANK_MEMS": "0",
            "NUMALOCAL_MEMORY_PER_RANK_BYTES": str(16 * GIB),
        }
        checked = bind("check", "--root", root, env=env)
        report: dict[str, Any] = json.loads(checked.stdout)
        assert checked.returncode == (0 if report["verified"] else 1), checked.stderr
        return report

    return run


def meminfo(total_gib: int, available_gib: int) -> dict[str, str]:
    return {
        "proc/meminfo": f"MemTotal: {total_gib * GIB_KB} kB\nMemFree: 1 kB\n"
        f"MemAvailable: {available_gib * GIB_KB} kB\nHugetlb: {GIB_KB} kB\n"
    }


def test_the_only_node_of_a_machine_that_grew_has_all_its_memory(check: Check) -> None:
    small = {0: {"MemTotal": 4 * GIB_KB, "MemFree": 3 * GIB_KB}}

    report = check(small, {f"{NODES}/online": "0\n", **meminfo(24, 20)})

    assert report["verified"] is True
    assert report["ranks"][0]["availableBytes"] == 20 * GIB


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({f"{NODES}/online": "0-1\n", **meminfo(1, 1)}, id="two nodes"),
        pytest.param({f"{NODES}/online": "0\n"}, id="no /proc/meminfo"),
        pytest.param({f"{NODES}/online": "1\n", **meminfo(1, 1)}, id="the other one"),
    ],
)
def test_a_node_beside_others_has_its_own(check: Check, files: Mapping[str, str]) -> None:
    assert check({0: ROOMY}, files)["ranks"][0]["availableBytes"] == 64 * GIB


def test_huge_pages_leave_the_only_node_what_is_left(check: Check) -> None:
    report = check({0: ROOMY}, {f"{NODES}/online": "0\n", **meminfo(9, 9)})

    assert "NUMA node 0 has 8.0 GiB available of 8.0 GiB" in report["message"]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        pytest.param(
            {f"{NODES}/node0/cpulist": "0\n"},
            f"/{NODES}/node0/meminfo cannot be read: No such file or directory",
            id="no meminfo",
        ),
        pytest.param(
            {f"{NODES}/node0/meminfo/x": ""},
            f"/{NODES}/node0/meminfo cannot be read: Is a directory",
            id="a folder",
        ),
        pytest.param(
            {f"{NODES}/node0": ""},
            f"/{NODES}/node0/meminfo cannot be read: Not a directory",
            id="a file for the node",
        ),
        pytest.param(
            {f"{NODES}/node0/meminfo": "Node 0 MemFree: 5 kB\n"},
            f"/{NODES}/node0/meminfo has no line MemTotal: with a number: mount /proc and /sys of "
            "this machine",
            id="no total",
        ),
        pytest.param(
            {f"{NODES}/node0/meminfo": "Node 0 MemTotal: 5 kB\nNode 0 MemFree: much\n"},
            f"/{NODES}/node0/meminfo has no line MemFree: with a number: mount /proc and /sys of "
            "this machine",
            id="no number",
        ),
        pytest.param(
            {f"{NODES}/node1/cpulist": "0\n"},
            "NUMA node 0 of the plan does not exist on this machine: delete the pod so that it is "
            "placed again",
            id="no node",
        ),
    ],
)
def test_a_node_that_cannot_be_read_is_a_sentence(
    check: Check, files: Mapping[str, str], sentence: str
) -> None:
    assert check({}, files)["problems"] == [sentence]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        pytest.param(
            {f"{HUGE}/hugepages-2048kB/nr_hugepages": "many\n"},
            f'/{HUGE}/hugepages-2048kB/nr_hugepages says "many": it must be a number of pages',
            id="no number",
        ),
        pytest.param(
            {f"{HUGE}/hugepages-2048kB/nr_hugepages/x": ""},
            f"/{HUGE}/hugepages-2048kB/nr_hugepages cannot be read: Is a directory",
            id="a folder",
        ),
    ],
)
def test_huge_pages_that_cannot_be_counted_are_a_sentence(
    check: Check, files: Mapping[str, str], sentence: str
) -> None:
    assert check({0: ROOMY}, files)["problems"] == [sentence]


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({f"{HUGE}/hugepages-xkB/nr_hugepages": "9\n"}, id="a size that is none"),
        pytest.param({f"{HUGE}/hugepages-2048/nr_hugepages": "9\n"}, id="no unit"),
        pytest.param({f"{HUGE}/README": "9\n"}, id="another file"),
        pytest.param({HUGE: "9\n"}, id="no folder"),
    ],
)
def test_what_is_no_size_of_huge_pages_takes_nothing(
    check: Check, files: Mapping[str, str]
) -> None:
    assert check({0: ROOMY}, files)["ranks"][0]["availableBytes"] == 64 * GIB


def test_more_huge_pages_than_memory_leave_nothing(check: Check) -> None:
    pages = f"{HUGE}/hugepages-1048576kB/nr_hugepages"

    assert "has no memory" in check({0: ROOMY}, {pages: f"{2**63}\n"})["message"]


def test_nodes_that_cannot_be_looked_at_are_no_machine_without_numa(
    check: Check, tmp_path: Path
) -> None:
    nodes = tmp_path / "root" / NODES
    nodes.parent.mkdir(parents=True)
    nodes.symlink_to(nodes)

    assert check({}, meminfo(64, 64))["problems"] == [
        f"/{NODES}/node0/meminfo cannot be read: Too many levels of symbolic links"
    ]
