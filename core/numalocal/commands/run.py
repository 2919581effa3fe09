"""`numalocal run`: run a worker on this machine."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread

from numalocal.commands import output, picture, sentences, sets, statuses
from numalocal.commands.sources import source
from numalocal.host import binder, cgroups, launch, lines, plan, tables, usage
from numalocal.host.board import Board
from numalocal.host.claims import Claims
from numalocal.host.confinement import Confinement, claimed, confined
from numalocal.host.interrupts import Interrupts
from numalocal.host.outlet import Outlet
from numalocal.host.placement import Placement, guests, place, require_command, users
from numalocal.host.replica import Replica
from numalocal.host.verdict import Outcome, problems
from numalocal.idset import IdSet
from numalocal.machine.discovery import discover
from numalocal.machine.discovery.available import read_available
from numalocal.machine.discovery.limits import limits_of_mount
from numalocal.machine.model import Machine
from numalocal.machine.sysfs import Sysfs
from numalocal.sets.partition import Partition
from numalocal.worker import documents
from numalocal.worker.spec import Worker, parse_worker

Results = list[tuple[Placement, Outcome]]


def main(arguments: argparse.Namespace) -> int:
    """Place, check, start and verify; 1 where anything is not as planned.

    Raises:
        NumalocalError: where worker or pools have problems, or the machine cannot give the sets.
        OSError: where standard output fails; whatever was started has ended then.
    """
    binder_path = binder.find(os.environ)
    worker = parse_worker(documents.load_worker(source(arguments.file)))
    require_command(worker)
    machine = discover(Sysfs())
    parts = sets.cut(machine, arguments.pools)
    with Claims() as claims:
        seats = _Seats(worker, machine, parts, claims)
        placements = seats.taken(in_cgroup=not cgroups.obstacle(os.getuid()))
        print(f"worker   {worker.name}: {arguments.file}")
        seats.show(placements)
        with (
            Interrupts() as interrupts,
            confined(worker.name, placements, lambda: seats.taken(in_cgroup=False)) as held,
        ):
            run = _Run(binder_path, held, claims.fileno(), interrupts, Outlet(sys.stdout))
            results = run.results(machine.allowed_nodes)
    closing = tables.closing_line(results, run.ended_by())
    if run.outlet.error is not None:
        print(f"numalocal: {closing}", file=sys.stderr)
        raise run.outlet.error
    for placement, outcome in results:
        table = tables.replica_table(worker, placement, outcome, width=output.width())
        output.text(f"\n{table}")
    output.text(f"\nbound by {held.bound_by}\n{sentences.shown(closing)}")
    return _status(results, interrupts)


@dataclass(frozen=True, slots=True)
class _Seats:
    """Where the replicas of a worker go, and the claims that hold their CPUs."""

    worker: Worker
    machine: Machine
    parts: Partition
    claims: Claims

    def taken(self, *, in_cgroup: bool) -> tuple[Placement, ...]:
        """Place all replicas on CPUs that no other run holds, and claim these."""
        # A cgroup of its own is made below the mount, and not in what this process is in.
        limits = limits_of_mount(Sysfs()) if in_cgroup else self.machine.limits
        around = self.machine._replace(limits=limits)
        available_bytes = read_available(Sysfs(), around)

        def placed(held: IdSet) -> tuple[Placement, ...]:
            return place(
                self.worker,
                around,
                self.parts,
                confined=in_cgroup,
                held=held,
                available_bytes=available_bytes,
            )

        return claimed(self.claims, self.machine.allowed, placed)

    def show(self, placements: tuple[Placement, ...]) -> None:
        """Draw the machine with all who use it, and say what the engines are not told."""
        others = usage.users(self.parts.sets, Path("/proc"))
        everybody = {**others, **users(self.worker, placements)}
        beside = guests(self.worker, placements)
        picture.draw(self.machine, self.parts, everybody, "text", guests=beside)
        for note in plan.notes(placements):
            print(f"\n{sentences.shown(f'note: {note}')}")
        if limits := self.claims.limits():
            print(f"\n{sentences.shown(f'note: CPUs are claimed {limits}')}")
        print(flush=True)


def _status(results: Results, interrupts: Interrupts) -> int:
    if interrupts.came:
        return statuses.SIGNALLED + interrupts.came[0]
    verified = results and not any(problems(one, outcome) for one, outcome in results)
    return statuses.OK if verified else statuses.NOT_AS_ASKED


@dataclass(frozen=True, slots=True)
class _Run:
    """Replicas about to run; `inherited` is the file that claims their CPUs."""

    binder_path: Path
    held: Confinement
    inherited: int
    interrupts: Interrupts
    outlet: Outlet

    def results(self, allowed_mems: IdSet) -> Results:
        """Check all replicas; start them only where every check is passed."""
        placements, groups = self.held.placements, self.held.groups
        reports = [
            launch.check(self.binder_path, placement, allowed_mems, group)
            for placement, group in zip(placements, groups, strict=True)
        ]
        if not all(report.verified or report.unbound for report in reports) or self._asked():
            outcomes = [Outcome(report=report) for report in reports]
        else:
            outcomes = [
                replica.outcome(report)
                for replica, report in zip(self._watched(), reports, strict=True)
            ]
        return list(zip(placements, outcomes, strict=True))

    def ended_by(self) -> str:
        """Say who ended the run early; empty where nobody did."""
        if self.interrupts.came:
            return self.interrupts.came[0].name
        return "the reader of its output" if self.outlet.reader_gone else ""

    def _asked(self) -> int:
        """Count how often the end was asked for: a reader that has gone has seen enough."""
        return len(self.interrupts.came) or int(self.outlet.reader_gone)

    def _watched(self) -> Sequence[Replica]:
        board = Board(self.outlet, shown=output.shown)
        replicas = self._started(board)
        start_s = time.monotonic()

        def table() -> str:
            looks = [(replica.evidence.fullest, replica.rate) for replica in replicas]
            seconds = time.monotonic() - start_s
            placements, bound_by = self.held.placements, self.held.bound_by
            return tables.live_table(placements, looks, bound_by=bound_by, seconds=seconds)

        def say(text: str) -> None:
            # By a thread of its own: a reader that is busy delays nobody's end.
            Thread(target=board.line, args=(text,), daemon=True).start()

        with board.showing(table) if self.outlet.isatty() else nullcontext():
            launch.watch(replicas, self._asked, say)
        return replicas

    def _started(self, board: Board) -> Sequence[Replica]:
        def on_line(text: str) -> None:
            board.line(lines.without_controls(text) if self.outlet.isatty() else text)

        return launch.start(
            partial(
                Replica,
                self.binder_path,
                placement,
                on_line,
                cgroup=group,
                inherited=self.inherited,
            )
            for placement, group in zip(self.held.placements, self.held.groups, strict=True)
        )
