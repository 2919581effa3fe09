"""Files that are there and cannot be read, or say what cannot be: findings with their path."""

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from laid_out import CPU, NODE, Files, far, lay_out, machine, with_masks_alone
from numalocal.errors import MachineUnreadable
from numalocal.machine.discovery import discover
from numalocal.machine.sysfs import Sysfs
from numalocal.machine.topology import document

TWO = machine(far(4), nodes={0: [0, 1], 1: [2, 3]}) | {
    f"{CPU}/cpu{cpu}/{name}": text
    for cpu in range(8)
    for name, text in {
        "topology/core_siblings_list": "0-7",
        "topology/die_cpus_list": "0-1,4-5" if cpu % 4 < 2 else "2-3,6-7",
        "cache/index3/level": "3",
        "cache/index3/shared_cpu_list": "0-1,4-5" if cpu % 4 < 2 else "2-3,6-7",
    }.items()
}


@pytest.mark.parametrize("text", ["0-", "x", "", "9" * 5000, "0-99999", "\x7fELF"])
def test_a_malformed_list_of_online_cpus_does_not_end_discovery(tmp_path: Path, text: str) -> None:
    files = TWO | {f"{CPU}/online": text, f"{CPU}/cpu5/online": "0"}

    found = discover(Sysfs(lay_out(tmp_path, files)))

    assert str(found.online) == "0-4,6-7"
    assert found.findings[0].path == f"/{CPU}/online"
    assert len(found.findings[0].message) < 300


def test_a_cpu_that_calls_itself_online_and_is_not_listed_is_a_finding(tmp_path: Path) -> None:
    found = discover(Sysfs(lay_out(tmp_path, TWO | {f"{CPU}/online": "0-6"})))

    assert str(found.offline) == "7"
    assert "leaves out CPUs 7, which call themselves online" in str(found.findings)


def test_a_root_where_no_cpu_is_online_is_refused(tmp_path: Path) -> None:
    files: Files = {f"{CPU}/online": "x", f"{CPU}/cpu0/online": "0", f"{CPU}/cpu1/online": "0"}

    with pytest.raises(MachineUnreadable, match="holds no online CPU"):
        discover(Sysfs(lay_out(tmp_path, files)))


def test_masks_alone_say_the_same_as_lists(tmp_path: Path) -> None:
    masks = lay_out(tmp_path / "masks", with_masks_alone(TWO, 64))
    lists = lay_out(tmp_path / "lists", TWO)

    assert document(discover(Sysfs(masks))) == document(discover(Sysfs(lists)))
    assert document(discover(Sysfs(masks)))["l3"] == [{"cpus": "0-1,4-5"}, {"cpus": "2-3,6-7"}]


@pytest.mark.parametrize(
    "path",
    [
        f"{CPU}/cpu0/topology/thread_siblings_list",
        f"{CPU}/cpu0/topology/core_siblings_list",
        f"{CPU}/cpu0/topology/die_cpus_list",
        f"{CPU}/cpu0/cache/index3/shared_cpu_list",
        f"{CPU}/cpu0/cache/index3/level",
        f"{CPU}/cpu0/topology/physical_package_id",
        f"{CPU}/cpu0/topology/core_id",
        f"{CPU}/online",
        f"{CPU}/present",
        f"{CPU}/isolated",
        f"{CPU}/nohz_full",
        f"{CPU}/smt/control",
        f"{CPU}/cpu0/cpu_capacity",
        f"{CPU}/cpu0/cache",
        f"{CPU}/cpu0/topology",
        f"{NODE}/online",
        f"{NODE}/node1",
        f"{NODE}/node1/cpulist",
        f"{NODE}/node1/distance",
        f"{NODE}/node1/meminfo",
        f"{NODE}/node1/hugepages",
        "sys/devices/cpu_core/cpus",
        "proc/meminfo",
        "proc/self/status",
        "proc/self/cgroup",
        "proc/mounts",
        "proc/sys/kernel/arch",
    ],
)
@pytest.mark.parametrize("instead", ["a loop", "a FIFO", "a long line", "bytes", "a directory"])
def test_what_cannot_be_read_is_a_finding_or_harmless(
    tmp_path: Path, path: str, instead: str
) -> None:
    files = {one: text for one, text in TWO.items() if not one.startswith(path)}
    files |= {f"{CPU}/cpu7/online": "0", f"{CPU}/online": "0-6"} if "online" not in path else {}
    lay_out(tmp_path, files)
    target = tmp_path / path
    target.parent.mkdir(parents=True, exist_ok=True)
    match instead:
        case "a loop":
            target.symlink_to(target.name)
        case "a FIFO":
            os.mkfifo(target)
        case "a long line":
            target.write_text(f"{'9' * 5000}:")
        case "bytes":
            target.write_bytes(bytes(range(128, 256)) + b":")
        case _:
            target.mkdir(exist_ok=True)

    found = discover(Sysfs(tmp_path))

    assert str(found.online) in {"0-6", "0-7"}
    # Free text may be anything, and a folder may be empty.
    free = ("proc/mounts", "smt/control", "kernel/arch")
    folders = ("cache", "topology", "node1", "hugepages")
    if not (path.endswith(free) or (path.endswith(folders) and instead == "a directory")):
        assert any(one.path.startswith(f"/{path}") for one in found.findings), found.findings


@pytest.fixture
def bound_by_modes() -> Iterator[None]:
    """Give up, for a test, root's right to read everything: CAP_DAC_OVERRIDE and _READ_SEARCH."""
    libc = ctypes.CDLL(None)
    version_3_of_this_thread = (ctypes.c_uint32 * 2)(0x20080522, 0)
    held = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; of capabilities 0-31 first
    assert libc.capget(version_3_of_this_thread, held) == 0
    without = (ctypes.c_uint32 * 6)(held[0] & ~0b110, *held[1:])
    assert libc.capset(version_3_of_this_thread, without) == 0
    yield
    assert libc.capset(version_3_of_this_thread, held) == 0


@pytest.mark.usefixtures("bound_by_modes")
@pytest.mark.parametrize("path", [NODE, CPU, f"{NODE}/node1/cpulist", "proc/self/status"])
def test_what_may_not_be_read_is_a_finding(tmp_path: Path, path: str) -> None:
    lay_out(tmp_path, TWO | {"proc/self/status": "Cpus_allowed_list:\t0"})
    (tmp_path / path).chmod(0o000 if (tmp_path / path).is_file() else 0o111)

    found = discover(Sysfs(tmp_path))
    (tmp_path / path).chmod(0o700)

    assert f"/{path}" in {one.path for one in found.findings}


def test_a_file_larger_than_any_kernel_has_is_a_finding(tmp_path: Path) -> None:
    lay_out(tmp_path, TWO)
    with (tmp_path / "proc/meminfo").open("wb") as file:
        file.truncate(64 << 20)

    found = discover(Sysfs(tmp_path))

    assert "is larger than any file of a kernel" in found.findings[0].message


def test_names_that_are_no_ids_are_no_cpus(tmp_path: Path) -> None:
    lay_out(tmp_path, TWO)
    for name in ("cpu²", "cpu07", "cpu99999", "cpu" + "9" * 200, "cpu-1", "cpufreq"):
        (tmp_path / CPU / name).mkdir()

    found = discover(Sysfs(tmp_path))

    assert (str(found.online), str(found.offline)) == ("0-7", "")
