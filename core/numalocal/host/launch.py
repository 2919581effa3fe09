"""Run replicas on this machine: check each through the binder, and watch them until they end."""

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from numalocal import names
from numalocal.errors import LaunchFailed, ReportInvalid
from numalocal.host import binder, processes
from numalocal.host.cgroups import Cgroup
from numalocal.host.placement import Placement
from numalocal.host.replica import STOP_TIMEOUT_S, Replica
from numalocal.idset import IdSet
from numalocal.report import CheckReport

POLL_INTERVAL_S: Final = 0.1
_TOLD_ONCE: Final = (
    f"the engines were asked to end and have {STOP_TIMEOUT_S:.0f} s; ask again to end them now"
)
_TOLD_AGAIN: Final = "what is left of the engines is killed"


def check(
    binder_path: Path, placement: Placement, allowed_mems: IdSet, cgroup: Cgroup | None
) -> CheckReport:
    """Bind a process to a replica's CPUs and let the binder compare plan, binding and memory.

    A process alone cannot narrow its cpuset, so without a cgroup the plan for Mems_allowed is what
    it is now; memory is compared with the ranks' own nodes all the same.  A memory policy is that
    of the engine.

    Raises:
        LaunchFailed: where the binder gives no report.
    """
    plan = dict(placement.environment)
    if cgroup is None:
        plan[names.ENV_MEMS] = str(allowed_mems)
    # In memory: no disk is too full for it, and none is needed that may be written.
    with os.fdopen(os.memfd_create("numalocal-report"), "r", errors="replace") as report:
        command = binder.exec_command(
            binder_path,
            placement.assignment.cpus,
            placement.reach.policy_nodes or None,
            binder.check_command(binder_path, Path(f"/proc/self/fd/{report.fileno()}")),
            placement.reach.policy,
        )
        try:
            done = subprocess.run(  # our own binder
                command if cgroup is None else cgroup.command(command),
                env=binder.environment(binder_path, plan),
                pass_fds=[report.fileno()],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                start_new_session=True,  # Ctrl-C is for us alone
                check=False,
            )
        except (OSError, ValueError) as error:
            raise LaunchFailed(f"{binder.NAME} check cannot be started: {error}") from error
        try:
            return CheckReport.parse(report.read())
        except ReportInvalid as error:
            said = done.stderr.strip() or f"status {done.returncode}"
            raise LaunchFailed(f"{binder.NAME} check gave no report: {said}") from error


def start(starts: Iterable[Callable[[], Replica]]) -> list[Replica]:
    """Start all replicas; where one cannot be, none is left.

    Raises:
        LaunchFailed: of the first that cannot be started.
    """
    processes.adopt_orphans()
    replicas: list[Replica] = []
    try:
        for one in starts:
            replicas.append(one())  # noqa: PERF401 - those before a failure are to be ended
    except BaseException:
        end(replicas)
        raise
    return replicas


def watch(
    replicas: Sequence[Replica], asked: Callable[[], int], say: Callable[[str], None]
) -> None:
    """Look at all replicas until all have ended; whatever happens, leave none.

    `asked` tells how often the end was asked for: once asks all engines at the same time, twice
    kills what is left.
    """
    heeded = 0
    try:
        while _step(replicas):
            if (now := asked()) > heeded:
                for replica in replicas:
                    replica.stop() if now == 1 else replica.kill()
                heeded = now
                say(_TOLD_ONCE if now == 1 else _TOLD_AGAIN)
            time.sleep(POLL_INTERVAL_S)
    finally:
        end(replicas)


def end(replicas: Sequence[Replica]) -> None:
    """Kill what is left of all replicas."""
    for replica in replicas:
        replica.kill()
    while _step(replicas):
        time.sleep(POLL_INTERVAL_S / 10)


def _step(replicas: Sequence[Replica]) -> bool:
    """Step all replicas, each with its orphans; tell whether anything of them runs.

    The engines come first, then their orphans: who has no parent any more was adopted before the
    parent's end is told.  An orphan that does not say whose it is counts for all that run.
    """
    running = [replica.running() for replica in replicas]
    orphans = processes.orphans({replica.pid for replica in replicas})
    owners = [processes.rank_cpus(pid) for pid in orphans]
    known = {replica.rank_cpus for replica in replicas}
    steps = [
        replica.step(
            [
                pid
                for pid, owner in zip(orphans, owners, strict=True)
                if owner == replica.rank_cpus or (owner not in known and (runs or not any(running)))
            ]
        )
        for replica, runs in zip(replicas, running, strict=True)
    ]
    return any(steps)
