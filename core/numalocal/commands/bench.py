"""`numalocal bench`: measure this machine."""

import argparse
import os
import sys
from pathlib import Path

from numalocal.commands import output
from numalocal.host import benchmark, binder
from numalocal.host.benchmark import Bandwidth, Scaling, Step
from numalocal.machine.discovery import discover
from numalocal.machine.sysfs import Sysfs
from numalocal.pictures import plot


def main(arguments: argparse.Namespace) -> int:
    """Measure bandwidth between nodes and rate by threads; progress goes to standard error.

    Raises:
        NumalocalError: where the binder or the example engine cannot be run.
    """
    binder_path = binder.find(os.environ)
    machine = discover(Sysfs())
    measure = _Measure(binder_path, arguments.weights, arguments.seconds)
    bandwidths = [
        Bandwidth(cpu_node=cpus, memory_node=memory, gb_per_s=measure(step).gb_per_s)
        for cpus, memory, step in benchmark.bandwidth_steps(machine)
    ]
    scalings = [
        Scaling(
            threads=threads,
            bound=measure(bound).tokens_per_s,
            unbound=measure(unbound).tokens_per_s,
        )
        for threads, bound, unbound in benchmark.scaling_steps(machine)
    ]
    match arguments.output:
        case "json":
            output.document(benchmark.document(bandwidths, scalings))
        case "svg":
            print(_plot(scalings))
        case _:
            print(benchmark.table(bandwidths, scalings))
    return 0


class _Measure:
    """Runs steps and says which."""

    def __init__(self, binder_path: Path, weights: str, seconds: float) -> None:
        self._binder_path = binder_path
        self._weights = weights
        self._seconds = seconds

    def __call__(self, step: Step) -> benchmark.Rate:
        print(f"measuring {step.title} ...", file=sys.stderr, flush=True)
        return benchmark.run(self._binder_path, step, weights=self._weights, seconds=self._seconds)


def _plot(scalings: list[Scaling]) -> str:
    bound = [(float(one.threads), one.bound) for one in scalings]
    unbound = [(float(one.threads), one.unbound) for one in scalings]
    return plot.draw(
        "Decoding by threads", "threads", "tokens/s", [("bound", bound), ("unbound", unbound)]
    )
