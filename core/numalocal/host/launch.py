"""Run replicas on this machine: check each through the binder, and watch them until they end."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from numalocal import names
from numalocal.errors import LaunchFailed, ReportInvalid
from numalocal.host import binder
from numalocal.host.cgroups import Cgroup
from numalocal.host.placement import Placement
from numalocal.host.replica import Replica
from numalocal.idset import IdSet
from numalocal.report import CheckReport

POLL_INTERVAL_S: Final = 0.1


def check(
    binder_path: Path, placement: Placement, allowed_mems: IdSet, cgroup: Cgroup | None
) -> CheckReport:
    """Bind a process to a replica's CPUs and let the binder compare plan, binding and memory.

    A process alone cannot narrow its cpuset, so without a cgroup the plan for Mems_allowed is what
    it is now; memory is compared with the ranks' own nodes all the same.

    Raises:
        LaunchFailed: where the binder gives no report.
    """
    with tempfile.TemporaryDirectory(prefix="numalocal-") as directory:
        report = Path(directory) / "report.json"
        command = binder.exec_command(
            binder_path,
            placement.assignment.cpus,
            None,
            binder.check_command(binder_path, report),
        )
        plan = dict(placement.environment)
        if cgroup is None:
            plan[names.ENV_MEMS] = str(allowed_mems)
        done = subprocess.run(  # our own binder
            command if cgroup is None else cgroup.command(command),
            env=binder.environment(binder_path, plan),
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            return CheckReport.parse(report.read_text(encoding="utf-8"))
        except (OSError, ReportInvalid) as error:
            said = done.stderr.strip() or f"status {done.returncode}"
            raise LaunchFailed(f"{binder.NAME} check gave no report: {said}") from error


def watch(replicas: Sequence[Replica], on_look: Callable[[], None]) -> None:
    """Look at all until all have ended, and tell after each look; whatever happens, leave none."""
    try:
        while sum(replica.running() for replica in replicas) > 0:
            on_look()
            time.sleep(POLL_INTERVAL_S)
    finally:
        for replica in replicas:
            replica.stop()
