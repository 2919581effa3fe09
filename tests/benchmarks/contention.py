"""Two workers on one machine: each with a thread for every CPU, and each under `numalocal run`.

    python tests/benchmarks/contention.py [--rounds 5] [--seconds 4]

Prints the total rate of both, and how long their threads waited for a CPU, as a share of the time
they could have run.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_RATE = re.compile(r"\bdone\b.*\btokens_per_s=(\S+)")

WORKER = """
kind: CpuInferenceWorker
metadata: {{name: worker-{number}}}
spec:
  engine: {{name: openmp, openMP: gnu}}
  template:
    spec:
      containers:
        - {{name: engine, command: [numalocal-decode, --weights, 256Mi, --seconds, "{seconds}"]}}
"""
POOLS = "pools: [{{name: cpuset, size: {cores}, reserve: 0}}]\n"


@dataclass(frozen=True, slots=True)
class Round:
    """Both workers together: tokens per second, and the share of their time spent waiting."""

    tokens_per_s: float
    waiting: float


def both(commands: Sequence[Sequence[str]]) -> Round:
    """Start both at once, look at their waiting while they run, and add up their rates."""
    environment = {
        **os.environ,
        "PATH": f"{ROOT / 'build'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "core"),
    }
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        for command in commands
    ]
    shares = [0.0]
    while any(process.poll() is None for process in processes):
        time.sleep(0.2)
        shares.append(waiting() or shares[-1])
    outputs = [process.communicate()[0] for process in processes]
    rates = [float(match[1]) for output in outputs if (match := _RATE.search(output))]
    if len(rates) != len(commands):
        sys.exit(f"a worker told no rate: {outputs}")
    return Round(sum(rates), shares[-1])


def waiting() -> float:
    """Give run delay / (run delay + run time) of all engine threads (/proc/TID/schedstat, ns)."""
    ran = waited = 0
    for status in Path("/proc").glob("[0-9]*/comm"):
        try:
            if status.read_text().strip() != "numalocal-decod":
                continue
            for task in (status.parent / "task").iterdir():
                own, delay, _ = (int(word) for word in (task / "schedstat").read_text().split())
                ran, waited = ran + own, waited + delay
        except OSError:
            continue
    return waited / (ran + waited) if ran + waited else 0.0


def main() -> int:
    """Run the rounds and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    options = parser.parse_args()
    cpus = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        pools = Path(folder) / "pools.yaml"
        pools.write_text(POOLS.format(cores=max(1, cpus // 2)))
        free, bound = [], []
        for number in (0, 1):
            worker = Path(folder) / f"worker-{number}.yaml"
            worker.write_text(WORKER.format(number=number, seconds=options.seconds))
            engine = ["numalocal-decode", "--weights", "256Mi", "--seconds", f"{options.seconds}"]
            free.append(["env", f"OMP_NUM_THREADS={cpus}", *engine])
            run = [sys.executable, "-m", "numalocal.cli", "run", "-f", str(worker)]
            bound.append([*run, "--pools", str(pools)])
        rounds = [(both(free), both(bound)) for _ in range(options.rounds)]
    ratios = [bound.tokens_per_s / free.tokens_per_s for free, bound in rounds]
    for name, place in (("every CPU each", 0), ("numalocal run", 1)):
        rate = statistics.median(one[place].tokens_per_s for one in rounds)
        waited = statistics.median(one[place].waiting for one in rounds)
        print(f"{name:<16}{rate:>9.1f} tokens/s together  {waited:>6.1%} of the time waiting")
    print(f"ratio {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
