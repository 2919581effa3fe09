"""`python -m lab up|down|status`."""

import argparse
import sys

from lab import cluster
from lab.commands import LabError


def main() -> int:
    """Run a command; a lab that cannot go on ends with one sentence."""
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "status"))
    command = parser.parse_args().command
    try:
        if command == "up":
            print(f"export KUBECONFIG={cluster.up().kubeconfig}")
        elif command == "down":
            cluster.down()
        else:
            lab = cluster.running()
            print("down" if lab is None else f"up: export KUBECONFIG={lab.kubeconfig}")
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
