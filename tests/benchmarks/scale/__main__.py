"""Measure the operator on a real API server without nodes, beside the Deployment controller.

Every run has an API server and an etcd of its own, alike for both, whose writes are not synced to
the disk.  Requests are counted by the API server.  No time means anything but beside the other's of
the same run: a busy machine slows both.  Exits 1 where a limit of requests or memory is missed.
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from .cluster import full
from .figures import Full, Made, full_table, missed, missed_full, table
from .making import made, tell
from .objects import DEPLOYMENTS, REPLICAS, WORKERS

RESULT = Path("build") / "bench-scale.json"
REST_S = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[300], help="how many, run by run"
    )
    parser.add_argument("--nodes", type=int, help="fill a cluster of so many nodes instead")
    parser.add_argument("--rest-s", type=float, default=REST_S, help="seconds of looking at rest")
    parser.add_argument("--json", type=Path, default=RESULT, help="where the figures go")
    options = parser.parse_args()
    # Else what was started would outlive us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.nodes:
        (workers,) = options.workers
        found = full(options.nodes, workers, REPLICAS * options.nodes, options.rest_s)
        keep(options.json, [found])
        return told([*full_table(found)], [*missed_full(found)])
    runs: list[Made] = []
    for count in options.workers:
        for kind in (WORKERS, DEPLOYMENTS):
            tell(f"{count} {kind.name} of {REPLICAS} replicas")
            runs.append(made(kind, count, options.rest_s))
            keep(options.json, runs)
    wrong = [one for run in runs if run.kind == WORKERS.name for one in missed(run)]
    return told([*table(runs)], wrong)


def keep(path: Path, found: Sequence[Made | Full]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(one) for one in found], indent=1))


def told(lines: Sequence[str], wrong: Sequence[str]) -> int:
    print("\n".join([*lines, *(f"missed: {one}" for one in wrong)]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
