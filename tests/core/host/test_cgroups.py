"""What a cgroup needs; that it binds is proven on a machine of its own in tests/e2e."""

import subprocess
from pathlib import Path

import pytest

from numalocal.errors import LaunchFailed
from numalocal.host.cgroups import Cgroup, obstacle
from numalocal.idset import IdSet


@pytest.fixture
def version_2(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpu cpuset memory\n")
    return tmp_path


def test_what_stands_in_the_way_is_told(version_2: Path, tmp_path: Path) -> None:
    assert obstacle(0, version_2) == ""
    assert obstacle(1000, version_2) == "only root can make one"
    assert obstacle(0, tmp_path / "v1") == f"{tmp_path / 'v1'} is not cgroup version 2"
    (version_2 / "cgroup.controllers").write_text("cpu memory\n")
    assert obstacle(0, version_2) == "the controller cpuset is not available"


def test_a_cgroup_is_told_its_cpus_and_nodes(version_2: Path) -> None:
    group = Cgroup("llama-0", IdSet.parse("2-3"), IdSet.of([1]), version_2)

    assert (version_2 / "cgroup.subtree_control").read_text() == "+cpuset"
    assert (version_2 / "numalocal/cgroup.subtree_control").read_text() == "+cpuset"
    assert (group.path / "cpuset.cpus").read_text() == "2-3"
    assert (group.path / "cpuset.mems").read_text() == "1"


def test_a_command_enters_before_it_is_run(version_2: Path) -> None:
    group = Cgroup("llama-0", IdSet.of([0]), IdSet.of([0]), version_2)

    done = subprocess.run(
        group.command(["/bin/sh", "-c", 'echo $$ $0 "$1"', "a b", "c"]),
        capture_output=True,
        text=True,
        check=True,
    )

    pid = (group.path / "cgroup.procs").read_text().strip()
    assert done.stdout == f"{pid} a b c\n"


def test_a_refusal_names_the_file(version_2: Path) -> None:
    (version_2 / "cgroup.subtree_control").mkdir()

    with pytest.raises(LaunchFailed, match=r"cgroup.subtree_control: '\+cpuset' was refused: "):
        Cgroup("llama-0", IdSet.of([0]), IdSet.of([0]), version_2)
