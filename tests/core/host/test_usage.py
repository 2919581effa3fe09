"""Who uses a set, told by real processes."""

import os
import subprocess
from pathlib import Path

from numalocal.host.usage import users
from numalocal.idset import IdSet
from numalocal.sets.cpusets import CpuSet


def cpu_set(cpus: str) -> CpuSet:
    """Make a set whose CPUs no machine has, so that no other process is taken for its user."""
    return CpuSet(
        id=f"id-of-{cpus}", pool="cpuset", cpus=IdSet.parse(cpus), numa_node=0, memory_bytes=0
    )


def test_a_set_is_used_by_the_process_that_was_given_it() -> None:
    environment = {"NUMALOCAL_RANK_CPUS": "900100-900103|900104-900107"}
    with subprocess.Popen(["/bin/sleep", "60"], env=environment) as process:
        try:
            found = users(
                [cpu_set("900104-900107"), cpu_set("900100-900103"), cpu_set("900108")],
                Path("/proc"),
            )
        finally:
            process.kill()

    assert found == {
        "id-of-900100-900103": f"sleep (pid {process.pid}), rank 0",
        "id-of-900104-900107": f"sleep (pid {process.pid}), rank 1",
    }


def test_a_capture_has_no_users(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()

    assert users([cpu_set("900100")], tmp_path / "proc") == {}


def test_a_process_that_says_nothing_uses_nothing() -> None:
    assert os.environ.get("NUMALOCAL_RANK_CPUS") is None

    assert users([cpu_set("900109")], Path("/proc")) == {}
