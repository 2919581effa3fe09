"""`python -m faults`: random faults on the lab, bounded by N, MINUTES, SEED and FAULT."""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, repeat
from pathlib import Path
from random import Random, SystemRandom

from faults import cluster, control_plane, judging, kernel, population, reporting, workloads
from faults.injecting import INJECTIONS
from faults.kinds import KINDS, named
from faults.planning import Bounds, Fault, plan
from faults.running import Node, Outcome, View, run, settle
from installed import install
from lab.cluster import Lab, up
from lab.commands import LabError, step

LOGS = Path(__file__).parents[3] / "build" / "faults-logs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the variables ask for."""

    seed: int
    bounds: Bounds
    faults: Iterator[Fault] = field(compare=False)


def wanted(environ: Mapping[str, str]) -> Wanted:
    """Read the variables.

    Raises:
        ValueError: for a number that is none, or a kind that is not there.
    """
    seed = int(environ.get("SEED") or SystemRandom().randrange(2**32))
    minutes, number, name = (environ.get(one) for one in ("MINUTES", "N", "FAULT"))
    if not number and not minutes:
        number = "1" if name else "1000"
    return Wanted(
        seed=seed,
        bounds=Bounds(
            count=int(number) if number else None,
            seconds=float(minutes) * 60 if minutes else None,
        ),
        faults=repeat(Fault(named(name), seed)) if name else plan(seed, KINDS),
    )


def view(lab: Lab) -> View:
    """Look at node and cluster."""
    control_plane.revive(lab)
    seen = kernel.parse(lab.node(kernel.LOOK, timeout_s=30))
    if twice := judging.given_twice(population.EXPECTED, seen):
        return View(given_twice=twice)
    told = cluster.parse(lab.kubectl_json(*cluster.LOOK))
    return View(unsettled=judging.unsettled(population.EXPECTED, seen, told))


def on(lab: Lab) -> Node:
    """Bind what a run does to a lab."""

    numbers = count(1)

    def inject(fault: Fault) -> str:
        print(reporting.head(next(numbers), fault), end="", flush=True)
        return INJECTIONS[fault.kind.name](lab, Random(fault.seed))

    def sweep(fault: Fault) -> None:
        if fault.kind.name.endswith("hostile-pod"):
            workloads.sweep(lab)

    def start_over() -> None:
        population.delete(lab)
        population.create(lab)

    return Node(inject=inject, look=lambda: view(lab), sweep=sweep, start_over=start_over)


def main() -> int:
    """Do the faults, and end with how many were not survived."""
    try:
        asked = wanted(os.environ)
    except ValueError as error:
        print(f"faults: {error}", file=sys.stderr)
        return 2
    outcomes: list[Outcome] = []
    try:
        _run(asked, outcomes)
    except LabError as error:
        print(f"faults: {error}", file=sys.stderr)
        return 1
    finally:
        if outcomes:
            print(f"\n{reporting.table(outcomes)}\nseed {asked.seed}", flush=True)
    return 1 if any(one.wrong for one in outcomes) else 0


def _run(asked: Wanted, outcomes: list[Outcome]) -> None:
    lab = up()
    install(lab)
    node = on(lab)
    print(f"faults: seed {asked.seed}", flush=True)
    with step("making the population"):
        population.create(lab)
        if wrong := settle(node.look)[0]:
            raise LabError(f"all is not well before the first fault: {'; '.join(wrong)}")
    begin = time.monotonic()
    for outcome in run(asked.faults, asked.bounds, node):
        outcomes.append(outcome)
        passed = time.monotonic() - begin
        print(f"{reporting.tail(outcome)} (at {passed / 60:.1f} min)", flush=True)
        if outcome.wrong:
            lab.collect_logs(LOGS / f"{len(outcomes)}-{outcome.fault.kind.name}")
    population.delete(lab)


if __name__ == "__main__":
    sys.exit(main())
