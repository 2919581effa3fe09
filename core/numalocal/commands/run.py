"""`numalocal run`: run a worker on this machine."""

import argparse
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from numalocal.commands import output, sets
from numalocal.commands.sources import source
from numalocal.errors import SetsUnavailable
from numalocal.host import binder, cgroups, plan, tables, usage
from numalocal.host.board import Board
from numalocal.host.cgroups import Cgroup
from numalocal.host.claims import Claims
from numalocal.host.launch import check, watch
from numalocal.host.placement import Placement, place, require_command, users
from numalocal.host.replica import Replica
from numalocal.host.verdict import Outcome, problems
from numalocal.idset import IdSet, union
from numalocal.machine.discovery import discover
from numalocal.machine.discovery.available import read_available
from numalocal.machine.discovery.limits import limits_of_mount
from numalocal.machine.model import Machine
from numalocal.machine.sysfs import Sysfs
from numalocal.sets.partition import Partition
from numalocal.worker import documents
from numalocal.worker.spec import Worker, parse_worker

Results = list[tuple[Placement, Outcome]]
_CLAIM_TRIES: Final = 20


def main(arguments: argparse.Namespace) -> int:
    """Place, check, start and verify; 1 where anything is not as planned.

    Raises:
        NumalocalError: where worker or pools have problems, or the machine cannot give the sets.
    """
    binder_path = binder.find(os.environ)
    worker = parse_worker(documents.load_worker(source(arguments.file)))
    require_command(worker)
    machine = discover(Sysfs())
    confined = not cgroups.obstacle(os.getuid())
    if confined:  # what its own cgroup is made below, and not what this process is in
        machine = machine._replace(limits=limits_of_mount(Sysfs()))
    parts = sets.cut(machine, arguments.pools)
    signal.signal(signal.SIGTERM, _interrupt)
    with Claims() as claims:
        placements = _claimed(worker, machine, parts, claims, confined=confined)
        print(f"worker   {worker.name}: {arguments.file}")
        others = usage.users(parts.sets, Path("/proc"))
        sets.picture(machine, parts, {**others, **users(worker, placements)}, "text")
        for note in plan.notes(placements):
            print(f"\nnote: {note}")
        if limits := claims.limits():
            print(f"\nnote: CPUs are claimed {limits}")
        print()
        with _confined(worker, placements) as (groups, bound_by):
            run = _Run(binder_path, placements, groups, bound_by, claims.fileno())
            results = run.results(machine.allowed_nodes)
    for placement, outcome in results:
        table = tables.replica_table(worker, placement, outcome, width=output.width())
        output.text(f"\n{table}")
    print(f"\nbound by {bound_by}")
    print(tables.closing_line(results))
    return int(any(problems(one.assignment, outcome) for one, outcome in results))


def _claimed(
    worker: Worker, machine: Machine, parts: Partition, claims: Claims, *, confined: bool
) -> tuple[Placement, ...]:
    """Place the worker on what no other run holds, and hold it."""
    for _ in range(_CLAIM_TRIES):
        taken = claims.taken(machine.allowed)
        available = read_available(Sysfs(), machine)
        placements = place(
            worker, machine, parts, confined=confined, held=taken, available_bytes=available
        )
        if claims.take(union(one.assignment.cpus for one in placements)):
            return placements
    raise SetsUnavailable(f"other runs took the free CPUs first, {_CLAIM_TRIES} times: try again")


@contextmanager
def _confined(
    worker: Worker, placements: Sequence[Placement]
) -> Iterator[tuple[list[Cgroup | None], str]]:
    """Make a cgroup for every replica where that can be; says what binds them."""
    if why := cgroups.obstacle(os.getuid()):
        yield [None] * len(placements), f"the process itself (no cgroup: {why})"
        return
    made: list[Cgroup] = []
    try:
        for one in placements:
            name = f"{worker.name}-{one.replica}-{os.getpid()}"
            made.append(Cgroup(name, one.assignment.cpus, one.assignment.mems))
        yield list(made), f"a cgroup of its own, {made[0].path.parent if made else cgroups.ROOT}"
    finally:
        for group in made:
            group.remove()


@dataclass(frozen=True, slots=True)
class _Run:
    """Replicas about to run, each with its cgroup; `inherited` is the file that claims the CPUs."""

    binder_path: Path
    placements: Sequence[Placement]
    groups: Sequence[Cgroup | None]
    bound_by: str
    inherited: int

    def results(self, allowed_mems: IdSet) -> Results:
        """Check all replicas; start them only where every check is passed."""
        reports = [
            check(self.binder_path, placement, allowed_mems, group)
            for placement, group in zip(self.placements, self.groups, strict=True)
        ]
        if not all(report.verified for report in reports):
            outcomes = [Outcome(report=report) for report in reports]
        else:
            replicas = self._watched()
            outcomes = [
                replica.outcome(report) for replica, report in zip(replicas, reports, strict=True)
            ]
        return list(zip(self.placements, outcomes, strict=True))

    def _watched(self) -> list[Replica]:
        board = Board(shown=output.shown)
        replicas = [
            Replica(self.binder_path, placement, board.line, cgroup=group, inherited=self.inherited)
            for placement, group in zip(self.placements, self.groups, strict=True)
        ]
        start_s = time.monotonic()

        def show() -> None:
            looks = [(replica.observation, replica.rate) for replica in replicas]
            seconds = time.monotonic() - start_s
            board.show(
                tables.live_table(self.placements, looks, bound_by=self.bound_by, seconds=seconds)
            )

        try:
            watch(replicas, show)
        except KeyboardInterrupt:
            board.line("stopped")
        board.clear()
        return replicas


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
