"""`numalocal bench`: measure this machine."""

import argparse
import os
import sys
from pathlib import Path

from numalocal.commands import output, statuses
from numalocal.errors import SetsUnavailable
from numalocal.host import benchmark, binder, rates, usage
from numalocal.host.claims import Claims
from numalocal.host.rates import Results
from numalocal.machine.discovery import discover
from numalocal.machine.model import Machine
from numalocal.machine.sysfs import Sysfs


def main(arguments: argparse.Namespace) -> int:
    """Measure bandwidth between nodes and rate by threads; progress goes to standard error.

    It keeps off CPUs that are in use, and others off those that it measures.  Ctrl-C ends it, and
    what was measured until then is still shown.

    Raises:
        NumalocalError: where the binder or the example engine cannot be run, or no CPU is free.
    """
    binder_path = binder.find(os.environ)
    machine = discover(Sysfs())
    with Claims() as claims:
        results, status = _measured(binder_path, _free(machine, claims), arguments)
    match arguments.output:
        case "json":
            output.document(rates.document(results))
        case "svg":
            output.drawing(rates.drawing(results))
        case _:
            output.text(rates.table(results, output.width()))
    return status


def _free(machine: Machine, claims: Claims) -> Machine:
    """Leave out the CPUs of running workers, and claim all others that are allowed."""
    while True:
        used = claims.taken(machine.allowed) | usage.cpus(Path("/proc"))
        free = machine.allowed - used
        if not free:
            raise SetsUnavailable(
                f"every CPU that this process may use is in use: CPUs {used & machine.allowed}; "
                "measure when the workers on them have ended"
            )
        if claims.take(free):
            return machine._replace(allowed=free)


def _measured(
    binder_path: Path, machine: Machine, arguments: argparse.Namespace
) -> tuple[Results, int]:
    bandwidths, scalings = benchmark.bandwidth_steps(machine), benchmark.scaling_steps(machine)
    results = Results(bandwidths=[], scalings=[])
    total = len(bandwidths) + 2 * len(scalings)
    steps = 0

    def measure(step: benchmark.Step) -> benchmark.Rate:
        nonlocal steps
        steps += 1
        print(f"measuring {steps} of {total}: {step.title}", file=sys.stderr, flush=True)
        weights, seconds = arguments.weights, arguments.seconds
        return benchmark.run(binder_path, step, weights=weights, seconds=seconds)

    try:
        for bandwidth in bandwidths:
            results.bandwidths.append(bandwidth.measured(measure))
        for scaling in scalings:
            results.scalings.append(scaling.measured(measure))
    except KeyboardInterrupt:
        return results, statuses.INTERRUPTED
    return results, statuses.OK
