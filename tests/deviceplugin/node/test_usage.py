import os
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal_deviceplugin.node import usage
from numalocal_deviceplugin.node.cgroups import Tree
from numalocal_deviceplugin.node.usage import Usage

from ..descriptors import open_files
from .cgroup_files import FILES, write


def read(root: Path, parts: tuple[str, ...]) -> Usage | None:
    with closing(Tree(root)) as tree:
        return usage.read(tree, parts)


def used(directory: Path, **changed: str | None) -> Usage:
    found = read(write(directory, **changed), ())
    assert found is not None
    return found


def test_the_files_of_a_cgroup_are_values_with_units(tmp_path: Path) -> None:
    found = used(tmp_path)

    assert found.memory_bytes == {0: 1 << 20, 1: 4 << 20}
    assert found.cpu == usage.Cpu(used_s=12.5, periods=40, throttled_periods=4, throttled_s=0.25)
    assert found.stalled_s == {
        ("cpu", "some"): 1.5,
        ("cpu", "full"): 0.25,
        ("memory", "some"): 0,
        ("memory", "full"): 0,
        ("io", "some"): 0.75,
        ("io", "full"): 0.5,
    }


def test_a_cgroup_that_is_not_there_has_no_usage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert read(tmp_path, ("gone",)) is None
    assert read(tmp_path, ("file",)) is None


@pytest.mark.parametrize("missing", [one for one in FILES if not one.startswith("cpuset")])
def test_a_file_that_is_missing_hides_no_other(tmp_path: Path, missing: str) -> None:
    whole = used(tmp_path / "whole")
    part = used(tmp_path / "part", **{missing.replace(".", "_"): None})

    same = [name for name in Usage.__slots__ if getattr(whole, name) == getattr(part, name)]
    assert len(same) == len(Usage.__slots__) - 1


@pytest.mark.parametrize(
    ("text", "memory_bytes"),
    [
        ("", {}),
        ("anon\n", {}),
        ("anon N0=\n", {}),
        ("anon N0=4096\nfile N0=4096\n", {0: 8192}),
        ("anon N0=4096 N1\n", {0: 4096}),
        ("anon N0=-1 N1=1e3 N2=٣ N-1=1 Nx=1 N3=7\n", {3: 7}),
        (f"anon N0={'9' * 5000}\n", {}),
        (f"anon N{'9' * 19}=1 N8192=1 N8191=1\n", {8191: 1}),
        ("slab N0=1\n", {}),
    ],
)
def test_memory_counts_where_node_and_size_are_numbers(
    tmp_path: Path, text: str, memory_bytes: dict[int, int]
) -> None:
    assert used(tmp_path, memory_numa_stat=text).memory_bytes == memory_bytes


def test_a_group_without_a_quota_is_not_throttled(tmp_path: Path) -> None:
    found = used(tmp_path, cpu_stat="usage_usec 1000000\nuser_usec 1\nsystem_usec 1\n").cpu

    assert found == usage.Cpu(used_s=1.0, periods=0, throttled_periods=0, throttled_s=0)


@pytest.mark.parametrize("text", ["", "usage_usec\n", "usage_usec x\n", f"usage_usec {'9' * 99}\n"])
def test_cpu_time_that_is_no_number_is_none(tmp_path: Path, text: str) -> None:
    assert used(tmp_path, cpu_stat=text).cpu is None


def test_a_link_or_a_pipe_in_place_of_a_file_is_not_followed_and_not_waited_for(
    tmp_path: Path,
) -> None:
    write(tmp_path, memory_numa_stat=None, cpu_stat=None)
    (tmp_path / "secret").write_text("anon N0=1\n")
    (tmp_path / "memory.numa_stat").symlink_to("secret")
    os.mkfifo(tmp_path / "cpu.stat")

    found = read(tmp_path, ())

    assert found is not None
    assert (found.memory_bytes, found.cpu) == ({}, None)


def test_no_file_is_left_open(tmp_path: Path) -> None:
    write(tmp_path)
    before = open_files()

    for _ in range(3):
        read(tmp_path, ())
        read(tmp_path, ("gone",))

    assert open_files() == before


_LINES = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.from_regex(r"(anon|file|usage_usec|some|full) (N\d+=\d+|total=\d+|\d+)( N\d+=\d+)*"),
    ),
    max_size=6,
).map("\n".join)


@given(text=st.one_of(_LINES, st.binary(max_size=200).map(lambda raw: raw.decode("latin-1"))))
def test_no_text_of_any_file_raises(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    directory = tmp_path_factory.mktemp("cgroup")
    for name in FILES:
        (directory / name).write_bytes(text.encode("utf-8", "surrogatepass"))

    found = read(directory, ())

    assert found is not None
    assert all(0 <= node <= 8191 for node in found.memory_bytes)


def own_cgroup() -> Path | None:
    """Find a cgroup of version 2 in which this machine's kernel writes such files."""
    for root in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            directory = root / line.partition("::")[2].lstrip("/")
            if line.startswith("0::") and (directory / "cpu.stat").is_file():
                return directory
    return None


def test_this_machines_own_cgroup_is_read() -> None:
    directory = own_cgroup()
    if directory is None:
        found = read(Path("/proc/self"), ())
        assert found == Usage()
        return

    found = read(directory, ())

    assert found is not None
    assert found.cpu is not None
    assert found.cpu.used_s > 0
