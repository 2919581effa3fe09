"""Show a machine and its sets as a picture for the terminal, or as an SVG drawing."""

import textwrap
from collections.abc import Mapping
from types import MappingProxyType

from numalocal.commands import output, sets
from numalocal.errors import PoolUnmet
from numalocal.machine.model import Machine
from numalocal.pictures import svg, terminal
from numalocal.pictures.sections import Guests
from numalocal.sets.partition import Partition


def show(machine: Machine, root: str, pool_file: str | None, form: str) -> None:
    """Draw a machine, its sets and who uses them, or say below it why there is none.

    Raises:
        SpecInvalid: where the pool file has problems.
        PoolUnmet: where the machine cannot give a pool of that file.
    """
    try:
        parts = sets.cut(machine, pool_file)
    except PoolUnmet as error:
        if pool_file is not None:
            raise
        draw(machine, None, {}, form)
        if form == "text":
            _say(f"no CPU sets: {error}")
        return
    draw(machine, parts, sets.users_under(root, parts), form)


def draw(
    machine: Machine,
    parts: Partition | None,
    used_by: Mapping[str, str],
    form: str,
    *,
    title: str = "CPUs, memory and CPU sets",
    guests: Guests = MappingProxyType({}),
) -> None:
    """Print a picture; `used_by` says by a set's id who uses it, `guests` by node who else."""
    if form == "svg":
        output.drawing(svg.draw(machine, parts, used_by, guests=guests, title=title))
        return
    width, colour = output.width(), output.colour()
    output.text(terminal.draw(machine, parts, used_by, guests=guests, width=width, colour=colour))
    for note in parts.notes if parts else ():
        _say(f"note: {note}")


def _say(sentence: str) -> None:
    output.text(f"\n{textwrap.fill(sentence, output.width(), break_on_hyphens=False)}")
