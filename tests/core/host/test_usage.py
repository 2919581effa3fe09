"""Who uses a set, told by real processes."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from numalocal.host.usage import cpus, users
from numalocal.idset import IdSet
from numalocal.sets.cpusets import CpuSet


def cpu_set(cpus: str) -> CpuSet:
    """Make a set whose CPUs no machine has, so that no other process is taken for its user."""
    return CpuSet(
        id=f"id-of-{cpus}",
        pool="cpuset",
        cpus=IdSet.parse(cpus),
        present=IdSet.parse(cpus),
        numa_node=0,
        memory_nodes=IdSet.of([0]),
        memory_bytes=0,
    )


def test_a_set_is_used_by_the_process_that_was_given_it(tmp_path: Path) -> None:
    mine = IdSet.of(os.sched_getaffinity(0))
    environment = {"NUMALOCAL_RANK_CPUS": f"8100|{mine}"}
    with subprocess.Popen(["/bin/sleep", "60"], env=environment) as process:
        try:
            # It is started while its program still is being put in place, without variables.
            while not Path(f"/proc/{process.pid}/environ").read_bytes():
                time.sleep(0.001)
            (tmp_path / str(process.pid)).symlink_to(f"/proc/{process.pid}")
            found = users([cpu_set(str(mine)), cpu_set("8100-8103"), cpu_set("8108")], tmp_path)
        finally:
            process.kill()

    assert found == {
        "id-of-8100-8103": f"sleep (pid {process.pid}), rank 0",
        f"id-of-{mine}": f"sleep (pid {process.pid}), rank 1",
    }


@pytest.mark.parametrize(
    ("told", "found"),
    [
        pytest.param("8101-8103", "id-of-8100-8103", id="one was offline then"),
        pytest.param("8000-8190", "id-of-8100-8103", id="a set of another pool"),
        pytest.param("8104", "", id="others"),
        pytest.param("8100,8102", "", id="it runs elsewhere"),
        pytest.param("x|8101", "", id="no CPUs"),
    ],
)
def test_a_set_is_used_by_whoever_was_given_cpus_of_it(
    told: str, found: str, tmp_path: Path
) -> None:
    process(tmp_path, 7, told, allowed="8101")

    assert "".join(users([cpu_set("8100-8103")], tmp_path)) == found


def test_a_capture_has_no_users(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()

    assert users([cpu_set("8100")], tmp_path / "proc") == {}


def process(proc: Path, pid: int, given: str, allowed: str) -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "environ").write_bytes(f"A=B\0NUMALOCAL_RANK_CPUS={given}\0".encode())
    (folder / "status").write_text(f"Name:\tx\nCpus_allowed_list:\t{allowed}\nMems_allowed:\t1\n")


def test_what_processes_were_given_and_are_confined_to_is_in_use(tmp_path: Path) -> None:
    process(tmp_path, 10, "2-3|6-7", "2")
    process(tmp_path, 11, "8-9", "8-9")

    assert str(cpus(tmp_path)) == "2-3,6-9"


def test_a_process_that_may_run_elsewhere_or_says_nonsense_holds_nothing(tmp_path: Path) -> None:
    process(tmp_path, 10, "0-63", "0-127")
    process(tmp_path, 11, "all", "0")
    process(tmp_path, 12, "", "0")
    (tmp_path / "13").mkdir()

    assert not cpus(tmp_path)
