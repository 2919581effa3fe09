"""What a cgroup needs, and what is left of it; that it binds is proven in tests/e2e.

Folders stand for cgroups: the kernel's vanish with the files in them, these do not.
"""

import os
import subprocess
from pathlib import Path

import pytest

from numalocal.errors import LaunchFailed
from numalocal.host.cgroups import Cgroup, obstacle, remove_stale
from numalocal.idset import IdSet


@pytest.fixture
def version_2(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpu cpuset memory\n")
    return tmp_path


def made(root: Path, name: str = "llama-0-1") -> Cgroup:
    return Cgroup(name, IdSet.parse("2-3"), IdSet.of([1]), root)


def test_what_stands_in_the_way_is_told(version_2: Path, tmp_path: Path) -> None:
    assert obstacle(0, version_2) == ""
    assert obstacle(1000, version_2) == "only root can make one"
    assert obstacle(0, tmp_path / "v1") == f"{tmp_path / 'v1'} is not cgroup version 2"
    (version_2 / "cgroup.controllers").write_text("cpu memory\n")
    assert obstacle(0, version_2) == "the controller cpuset is not available"


def test_a_cgroup_is_told_its_cpus_and_nodes(version_2: Path) -> None:
    group = made(version_2)

    assert (version_2 / "cgroup.subtree_control").read_text() == "+cpuset"
    assert (version_2 / "numalocal/cgroup.subtree_control").read_text() == "+cpuset"
    assert (group.path / "cpuset.cpus").read_text() == "2-3"
    assert (group.path / "cpuset.mems").read_text() == "1"


def test_a_command_enters_before_it_is_run(version_2: Path) -> None:
    group = made(version_2)

    done = subprocess.run(
        group.command(["/bin/sh", "-c", 'echo $$ $0 "$1"', "a b", "c"]),
        capture_output=True,
        text=True,
        check=True,
    )

    pid = (group.path / "cgroup.procs").read_text().strip()
    assert done.stdout == f"{pid} a b c\n"


@pytest.mark.parametrize("file", ["cgroup.subtree_control", "numalocal/cgroup.subtree_control"])
def test_a_refusal_names_the_file(version_2: Path, file: str) -> None:
    (version_2 / file).mkdir(parents=True)

    with pytest.raises(LaunchFailed, match=rf"{file}: '\+cpuset' was refused: "):
        made(version_2)
    assert not (version_2 / "numalocal/llama-0-1").exists()


def test_a_folder_that_may_not_be_made_is_told(version_2: Path) -> None:
    (version_2 / "numalocal").write_text("")

    with pytest.raises(LaunchFailed, match=r"llama-0-1: cannot be made: "):
        made(version_2)


def test_one_that_is_there_already_is_somebody_elses(version_2: Path) -> None:
    (version_2 / "numalocal/llama-0-1/theirs").mkdir(parents=True)

    with pytest.raises(LaunchFailed, match="llama-0-1: cannot be made: File exists"):
        made(version_2)
    assert (version_2 / "numalocal/llama-0-1/theirs").exists()


def test_none_is_left_with_what_the_engine_made_in_it(version_2: Path) -> None:
    group = made(version_2, f"llama-0-{1 << 23}")  # above any number of a process
    (group.path / "own" / "deeper").mkdir(parents=True)
    for file in group.path.glob("c*"):
        file.unlink()
    (version_2 / "numalocal" / "cgroup.subtree_control").unlink()

    remove_stale(version_2)
    assert not group.path.exists()


def test_only_what_no_living_run_made_is_stale(version_2: Path) -> None:
    folder = version_2 / "numalocal"
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    for name in (f"a-0-{gone.pid}", f"b-0-{os.getpid()}", "c-0-notapid", "other"):
        (folder / name).mkdir(parents=True)
    (folder / f"used-0-{gone.pid}").mkdir()
    (folder / f"used-0-{gone.pid}" / "cgroup.procs").write_text("a process\n")

    remove_stale(version_2)

    assert sorted(path.name for path in folder.iterdir()) == [
        *(f"b-0-{os.getpid()}", "c-0-notapid", "other", f"used-0-{gone.pid}")
    ]
