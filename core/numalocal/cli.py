"""The command line: `numalocal run`."""

import argparse
import os
import platform
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from numalocal import binder, documents, screen
from numalocal.discovery import discover
from numalocal.errors import NumalocalError, SpecInvalid
from numalocal.idset import IdSet
from numalocal.launch import Replica, check, watch
from numalocal.partition import partition
from numalocal.placement import Placement, place
from numalocal.pools import DEFAULT_POOLS, parse_pools
from numalocal.sysfs import Sysfs
from numalocal.verdict import Outcome, problems
from numalocal.worker import parse_worker


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; errors become sentences on standard error and exit status 1."""
    arguments = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(arguments.file, arguments.pools)
    except SpecInvalid as error:
        for problem in error.problems:
            print(f"numalocal: {problem}", file=sys.stderr)
    except NumalocalError as error:
        print(f"numalocal: {error}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="numalocal", description="Give CPU inference workers their own cores and memory."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run a CpuInferenceWorker on this machine, without a cluster",
        description="Place, check, start and verify a worker on this machine.",
    )
    run.add_argument(
        "-f", "--file", type=Path, required=True, help="YAML file with a CpuInferenceWorker"
    )
    run.add_argument(
        "--pools", type=Path, help="YAML file with pools; default: one set per NUMA node"
    )
    return parser


def _run(file: Path, pools_file: Path | None) -> int:
    binder_path = binder.find(os.environ)
    worker = parse_worker(documents.load_worker(file))
    pools = DEFAULT_POOLS if pools_file is None else parse_pools(documents.load_one(pools_file))
    machine = discover(Sysfs(), platform.machine())
    cut = partition(machine, pools)
    placements = place(worker, machine, cut, IdSet.of(os.sched_getaffinity(0)))
    print(f"worker   {worker.name}: {file}\n{screen.machine_picture(machine, cut, placements)}\n")
    nodes = IdSet.of(node.id for node in machine.nodes)
    results = _results(binder_path, placements, nodes)
    for placement, outcome in results:
        print(f"\n{screen.replica_table(worker, placement, outcome)}")
    print(f"\n{screen.closing_line(results)}")
    return int(any(problems(one.assignment, outcome) for one, outcome in results))


def _results(
    binder_path: Path, placements: Sequence[Placement], nodes: IdSet
) -> list[tuple[Placement, Outcome]]:
    """Check all replicas; start them only where every check is passed."""
    reports = [check(binder_path, placement, nodes) for placement in placements]
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


def _show(line: str) -> None:
    print(f"  | {line}", flush=True)


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
