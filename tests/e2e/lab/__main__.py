"""`python -m lab`: a real control plane and a NUMA node in QEMU, on this machine."""

import argparse
import os
import sys
from pathlib import Path

from lab import binaries, cluster, newcomer
from lab.commands import LabError


def main() -> int:
    """Run a command; a lab that cannot go on ends with one sentence."""
    arguments = _parser().parse_args()
    try:
        _run(arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("up", help="start the lab, leave it running, print its KUBECONFIG")
    commands.add_parser("down", help="end what `up` started, and only that")
    commands.add_parser("status", help="tell whether the lab is up")
    commands.add_parser("build", help="build what `up` needs, and start nothing")
    commands.add_parser("helm", help="print where helm is, built where there is none")
    bare = commands.add_parser("newcomer", help="run the README's commands on a bare Debian")
    bare.add_argument("suite", nargs="?", default=newcomer.SUITE)
    logs = commands.add_parser("logs", help="copy the logs of both sides into a folder")
    logs.add_argument("folder", type=Path)
    return parser


def _run(arguments: argparse.Namespace) -> None:
    if arguments.command == "up":
        print(f"export KUBECONFIG={cluster.up().kubeconfig}")
    elif arguments.command == "down":
        cluster.down()
    elif arguments.command == "build":
        cluster.build()
    elif arguments.command == "helm":
        print(binaries.found_helm(os.environ) or binaries.helm() / "helm")
    elif arguments.command == "newcomer":
        newcomer.run_commands(Path.cwd(), arguments.suite)
    elif arguments.command == "status":
        lab = cluster.running()
        print("down" if lab is None else f"up: export KUBECONFIG={lab.kubeconfig}")
    else:
        _running_lab().collect_logs(arguments.folder)


def _running_lab() -> cluster.Lab:
    lab = cluster.running()
    if lab is None:
        raise LabError("no lab is up: start one by `make lab`")
    return lab


if __name__ == "__main__":
    sys.exit(main())
