"""`numalocal topology`: show a machine."""

import argparse
import importlib

from numalocal.commands import output, sets
from numalocal.commands.statuses import OK
from numalocal.machine import topology
from numalocal.machine.discovery import discover
from numalocal.machine.sysfs import Sysfs


def main(arguments: argparse.Namespace) -> int:
    """Print the machine under the root and its CPU sets.

    Raises:
        MachineUnreadable: where the root is no machine.
        SpecInvalid: where the pool file has problems.
        PoolUnmet: where the machine cannot give a pool of that file.
    """
    root = arguments.root
    machine = discover(Sysfs(root))
    if arguments.output == "json":
        told = sets.document(machine, root, arguments.pools)
        output.document({**topology.document(machine), **told})
    else:
        # Pictures take as long to load as a machine and its sets to print.
        picture = importlib.import_module("numalocal.commands.picture")
        picture.show(machine, root, arguments.pools, arguments.output)
    return OK
