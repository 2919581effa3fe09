"""What a process may use: its cpuset and its affinity."""

from pathlib import Path

import pytest

from laid_out import CGROUP, CPU, Files, confined, far, lay_out, machine
from numalocal.machine.discovery import discover
from numalocal.machine.model import Machine
from numalocal.machine.sysfs import Sysfs

WHOLE = machine(far(16), smt="on")
"""32 CPUs, of which 2-15,18-31 are isolated in most tests."""
ISOLATED: Files = {f"{CPU}/isolated": "2-15,18-31", f"{CPU}/nohz_full": "2-15,18-31"}


def discovered(root: Path, files: Files) -> Machine:
    return discover(Sysfs(lay_out(root, WHOLE | files)))


@pytest.mark.parametrize(
    ("affinity", "cpuset", "expected"),
    [
        pytest.param("0-1,16-17", "0-31", "0-31", id="as the kernel starts every process"),
        pytest.param("0-1,16-17", "0-3,16-19", "0-3,16-19", id="so in a cpuset"),
        pytest.param("0-31", "0-31", "0-31", id="all"),
        pytest.param("0", "0-31", "0", id="taskset"),
        pytest.param("4-7", "0-31", "4-7", id="taskset to isolated CPUs"),
        pytest.param("0-1,16", "0-31", "0-1,16", id="taskset, less one"),
        pytest.param("0-1,16-17", None, "0-1,16-17", id="whose cpuset is not told"),
        pytest.param("0-8191", "0-8191", "0-31", id="CPUs that are not there"),
    ],
)
def test_isolated_cpus_that_an_affinity_misses_are_allowed(
    tmp_path: Path, affinity: str, cpuset: str | None, expected: str
) -> None:
    found = discovered(tmp_path, ISOLATED | confined(affinity, effective=cpuset))

    assert str(found.allowed) == expected
    assert str(found.isolated) == str(found.nohz_full) == "2-15,18-31"
    assert found.findings == ()


def test_a_cpuset_confines_beside_an_affinity(tmp_path: Path) -> None:
    found = discovered(tmp_path, confined("4-7,20-23", effective="4-7,20-23"))

    assert str(found.allowed) == "4-7,20-23"


def test_a_cpuset_confines_where_the_affinity_is_wider(tmp_path: Path) -> None:
    found = discovered(tmp_path, confined("0-31", effective="4-7,20-23"))

    assert str(found.allowed) == "4-7,20-23"


@pytest.mark.parametrize(
    ("affinity", "cpuset", "file"),
    [
        pytest.param("0-31", "0-31", "", id="nothing confines it"),
        pytest.param("0", "0-31", "/proc/self/status", id="taskset"),
        pytest.param("0", None, "/proc/self/status", id="no cpuset is told"),
        pytest.param("0-3", "0-3", f"/{CGROUP}/cpuset.cpus.effective", id="a cpuset"),
        pytest.param("1", "0-3", "/proc/self/status", id="taskset in a cpuset"),
    ],
)
def test_the_file_that_confines_the_process_is_known(
    tmp_path: Path, affinity: str, cpuset: str | None, file: str
) -> None:
    found = discovered(tmp_path, confined(affinity, effective=cpuset))

    assert found.confined_by == file
    only = f"this process may run on CPU {found.allowed} only ({file})"
    assert found.confinement == (only if file else "")
    assert found.unconfined().confinement == ""


MOUNTS_1 = "cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0"
MOUNTS_2 = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0"
HYBRID = f"{MOUNTS_1}\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\nproc /proc proc rw 0 0"


@pytest.mark.parametrize(
    ("group", "files"),
    [
        pytest.param("0::/", {f"{CGROUP}/cpuset.cpus.effective": "4-7"}, id="the root"),
        pytest.param(
            "0::/a/b",
            {
                f"{CGROUP}/a/cpuset.cpus.effective": "4-7",
                f"{CGROUP}/cpuset.cpus.effective": "0-31",
                f"{CGROUP}/a/b/memory.max": "max",
            },
            id="the nearest above a group without the controller",
        ),
        pytest.param(
            "0::/kubepods/pod1/c1",
            {f"{CGROUP}/cpuset.cpus.effective": "4-7"},
            id="the host's path, in a container",
        ),
        pytest.param(
            "0::/../../etc",
            {f"{CGROUP}/cpuset.cpus.effective": "4-7"},
            id="outside of the namespace",
        ),
        pytest.param(
            "3:cpuset:/docker/x\n0::/",
            {
                "proc/mounts": MOUNTS_1,
                f"{CGROUP}/cpuset/docker/x/cpuset.effective_cpus": "4-7",
                f"{CGROUP}/cpuset/docker/x/cpuset.cpus": "0-31",
            },
            id="version 1",
        ),
        pytest.param(
            "3:cpuset:/docker/x\n0::/",
            {f"{CGROUP}/cpuset/docker/x/cpuset.effective_cpus": "4-7"},
            id="version 1, where it is always mounted",
        ),
        pytest.param(
            "3:cpuset:/docker/x\n0::/y",
            {
                "proc/mounts": HYBRID,
                f"{CGROUP}/cpuset/docker/x/cpuset.cpus": "4-7",
                f"{CGROUP}/unified/y/cgroup.procs": "1",
            },
            id="both versions",
        ),
        pytest.param(
            "0::/a",
            {
                "proc/mounts": "c /other/place cgroup2 rw",
                "other/place/a/cpuset.cpus.effective": "4-7",
            },
            id="mounted elsewhere",
        ),
        pytest.param(
            "3:cpuset:/a",
            {"proc/mounts": "c / cgroup rw,cpuset", "a/cpuset.cpus": "4-7"},
            id="mounted at the root",
        ),
    ],
)
def test_the_cpuset_is_found(tmp_path: Path, group: str, files: Files) -> None:
    found = discovered(tmp_path, confined("0-31") | {"proc/self/cgroup": group} | files)

    assert str(found.allowed) == "4-7"
    assert found.findings == ()


def test_a_cpuset_that_shares_no_cpu_with_the_affinity_is_not_the_processs(tmp_path: Path) -> None:
    found = discovered(tmp_path, confined("0-3", effective="8-9"))

    assert str(found.allowed) == "0-3"
    assert "leads to a cpuset of 8-9" in found.findings[0].message


@pytest.mark.parametrize("group", ["/a\x1b[2J", "/" + "a/" * 5000])
def test_a_path_that_is_no_cgroups_is_a_finding(tmp_path: Path, group: str) -> None:
    found = discovered(tmp_path, confined("0-3") | {"proc/self/cgroup": f"0::{group}"})

    assert str(found.allowed) == "0-3"
    assert "which is no path of a cgroup" in "".join(one.message for one in found.findings)


def test_an_affinity_is_read_from_its_mask_where_there_is_no_list(tmp_path: Path) -> None:
    status = "Name:\tx\nCpus_allowed:\t00ff0000\nMems_allowed:\t00000000,00000001"

    files: Files = {"proc/self/status": status}
    found = discovered(tmp_path, files)

    assert (str(found.allowed), str(found.allowed_nodes)) == ("16-23", "0")


@pytest.mark.parametrize("value", ["0-", "9" * 5000, "0-9000", "\x00"])
def test_an_affinity_that_is_malformed_is_a_finding(tmp_path: Path, value: str) -> None:
    found = discovered(tmp_path, confined(value))

    assert str(found.allowed) == "0-31"
    assert [one.path for one in found.findings] == ["/proc/self/status"]


def test_cpus_of_isolated_partitions_are_isolated(tmp_path: Path) -> None:
    files: Files = {f"{CGROUP}/cpuset.cpus.isolated": "8-9", f"{CPU}/isolated": "4-5"}

    assert str(discovered(tmp_path, files).isolated) == "4-5,8-9"
