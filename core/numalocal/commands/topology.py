"""`numalocal topology`: show a machine."""

import argparse
import importlib

from numalocal.commands import output
from numalocal.machine import topology
from numalocal.machine.discovery import discover
from numalocal.machine.sysfs import Sysfs


def main(arguments: argparse.Namespace) -> int:
    """Print the machine under the root; its document has CPU sets where a pool file is given.

    Raises:
        MachineUnreadable: where the root is no machine.
        SpecInvalid: where the pool file has problems.
        PoolUnmet: where the machine cannot give a pool of that file.
    """
    machine = discover(Sysfs(arguments.root))
    if arguments.output == "json" and arguments.pools is None:
        output.document(topology.document(machine))
    else:
        # Sets and pictures take twice as long to load as a bare machine to print.
        importlib.import_module("numalocal.commands.sets").show(machine, arguments)
    return 0
