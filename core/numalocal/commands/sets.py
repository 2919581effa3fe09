"""Cut a machine by a pool file, or as suits it, and show it."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from numalocal.commands import output
from numalocal.commands.sources import source
from numalocal.errors import PoolUnmet
from numalocal.host.usage import users
from numalocal.machine import topology
from numalocal.machine.model import Machine
from numalocal.pictures import svg, terminal
from numalocal.sets.partition import Partition, partition
from numalocal.sets.pools import default_pools
from numalocal.worker import documents


def cut(machine: Machine, pool_file: str | None) -> Partition:
    """Cut a machine by a pool file, or without one as suits it.

    Raises:
        SpecInvalid: where the file has problems.
        PoolUnmet: where the machine cannot give a pool.
    """
    pools = default_pools(machine) if pool_file is None else documents.load_pools(source(pool_file))
    return partition(machine, pools)


def show(machine: Machine, arguments: argparse.Namespace) -> None:
    """Print a machine, its sets and, of this machine, who uses them.

    Raises:
        SpecInvalid: where the pool file has problems.
        PoolUnmet: where the machine cannot give a pool of that file.
    """
    try:
        parts = cut(machine, arguments.pools)
    except PoolUnmet as error:
        if arguments.pools is not None:
            raise
        picture(machine, None, {}, arguments.output)
        print(f"\nno CPU sets: {error}")
        return
    if arguments.output == "json":
        output.document({**topology.document(machine), **_document(parts)})
    else:
        picture(machine, parts, users(parts.sets, Path(arguments.root) / "proc"), arguments.output)


def _document(parts: Partition) -> Mapping[str, object]:
    return {
        "sets": [
            {
                "id": one.id,
                "pool": one.pool,
                "cpus": str(one.cpus),
                "numa_node": one.numa_node,
                "memory_bytes": one.memory_bytes,
            }
            for one in parts.sets
        ],
        "shared_cpus": str(parts.shared),
    }


def picture(
    machine: Machine,
    parts: Partition | None,
    used_by: Mapping[str, str],
    form: str,
    title: str = "CPUs, memory and CPU sets",
) -> None:
    """Print a machine as a picture for the terminal, or as an SVG drawing."""
    if form == "svg":
        output.drawing(svg.draw(machine, parts, used_by, title=title))
    else:
        output.text(
            terminal.draw(machine, parts, used_by, width=output.width(), colour=output.colour())
        )
