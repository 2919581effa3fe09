"""`numalocal run`: run a worker on this machine."""

import argparse
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from numalocal import binder, documents, screen
from numalocal.commands import sets
from numalocal.discovery import discover
from numalocal.idset import IdSet
from numalocal.launch import Replica, check, watch
from numalocal.placement import Placement, place, require_command, users
from numalocal.sysfs import Sysfs
from numalocal.verdict import Outcome, problems
from numalocal.worker import parse_worker


def main(arguments: argparse.Namespace) -> int:
    """Place, check, start and verify; 1 where anything is not as planned.

    Raises:
        NumalocalError: where worker or pools have problems, or the machine cannot give the sets.
    """
    binder_path = binder.find(os.environ)
    worker = parse_worker(documents.load_worker(Path(arguments.file)))
    require_command(worker)
    machine = discover(Sysfs())
    parts = sets.cut(machine, arguments.pools)
    placements = place(worker, machine, parts)
    print(f"worker   {worker.name}: {arguments.file}")
    sets.picture(machine, parts, users(worker, placements), "text")
    print()
    signal.signal(signal.SIGTERM, _interrupt)
    results = _results(binder_path, placements, machine.allowed_nodes)
    for placement, outcome in results:
        print(f"\n{screen.replica_table(worker, placement, outcome)}")
    print(f"\n{screen.closing_line(results)}")
    return int(any(problems(one.assignment, outcome) for one, outcome in results))


def _results(
    binder_path: Path, placements: Sequence[Placement], allowed_mems: IdSet
) -> list[tuple[Placement, Outcome]]:
    """Check all replicas; start them only where every check is passed."""
    reports = [check(binder_path, placement, allowed_mems) for placement in placements]
    if not all(report.verified for report in reports):
        return [
            (placement, Outcome(report=report))
            for placement, report in zip(placements, reports, strict=True)
        ]
    replicas = [Replica(binder_path, placement, _show) for placement in placements]
    try:
        watch(replicas)
    except KeyboardInterrupt:
        print("stopped")
    return [
        (placement, replica.outcome(report))
        for placement, replica, report in zip(placements, replicas, reports, strict=True)
    ]


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _show(line: str) -> None:
    print(f"  | {line}", flush=True)
