"""The picture of a machine in a terminal: a line for a NUMA node, a character for a core."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from numalocal.machine.model import Machine
from numalocal.pictures import blocks, distances, tables, words
from numalocal.pictures.ink import Ink
from numalocal.pictures.lines import HUGE, Columns, memory_bar, node_lines, share_out
from numalocal.pictures.sections import Guests, Section, sections
from numalocal.sets.partition import Partition

_WHOLE: Final = "\N{NO-BREAK SPACE}"
_INDENT: Final = 9
"""Sentences begin where the longest of their words, `distance`, ends."""


def draw(
    machine: Machine,
    partition: Partition | None,
    used_by: Mapping[str, str],
    *,
    guests: Guests = MappingProxyType({}),
    width: int,
    colour: bool,
) -> str:
    """Draw a machine, its sets and who uses them, no wider than `width` as far as words allow.

    `used_by` says by a set's id who uses it; without a partition no set is drawn.  `guests` say by
    node who else has memory there.  Colour adds escapes and changes no character.
    """
    ink = Ink(colour)
    harmless = {one: words.printable(user) for one, user in used_by.items()}
    shown = sections(machine, partition, harmless, guests)
    signs = blocks.Signs(partition.sets if partition else (), harmless)
    columns = share_out([node for part in shown for node in part.nodes], width)
    even = distances.even(machine)
    parts = [
        _summary(machine, partition, width),
        "\n".join(_sections(shown, columns, signs, ink)),
        _legend(machine, shown, columns, signs, width),
        tables.sets(machine, partition, harmless, signs, width=width, ink=ink) if partition else "",
        _said("distance", even, width) if even else _distances(machine),
        _findings(machine, width, ink),
    ]
    return "\n\n".join(part for part in parts if part)


def _sections(
    shown: Sequence[Section], columns: Columns, signs: blocks.Signs, ink: Ink
) -> Iterator[str]:
    for section in shown:
        if section.title:
            yield ink.strong(section.title)
        for node in section.nodes:
            yield from node_lines(node, columns, signs, ink)


def _summary(machine: Machine, partition: Partition | None, width: int) -> str:
    facts = _joined([f"{fact}," for fact in words.facts(machine)], " ").removesuffix(",")
    said = [("machine", facts), *words.limits(machine, partition)]
    return "\n".join(_said(word, sentence, width) for word, sentence in said)


def _legend(
    machine: Machine,
    shown: Sequence[Section],
    columns: Columns,
    signs: blocks.Signs,
    width: int,
) -> str:
    nodes = [node for part in shown for node in part.nodes]
    rows = [row for node in nodes for row in blocks.rows(node.groups, columns.blocks)]
    entries = blocks.legend(rows, signs, "L3 cache" if machine.l3 else "book")
    if any(HUGE in memory_bar(node, columns.most_bytes) for node in nodes):
        entries.append(f"▕{HUGE}▏ huge pages")
    return textwrap.fill(
        _joined(entries, "  "),
        width,
        initial_indent="  ",
        subsequent_indent="  ",
        break_on_hyphens=False,
    ).replace(_WHOLE, " ")


def _distances(machine: Machine) -> str:
    rows = distances.rows(machine)
    if not rows:
        return ""
    heading = f"{'distance':<{_INDENT}}{''.join(f'{node:>5}' for node, _ in rows)}"
    lines = [
        f"node {node:<{_INDENT - 5}}{''.join(f'{one:>5}' for one in far)}" for node, far in rows
    ]
    return "\n".join([heading, *lines])


def _findings(machine: Machine, width: int, ink: Ink) -> str:
    said = (_said("finding", words.printable(str(one)), width) for one in machine.findings)
    return "\n".join(ink.warning("finding") + one.removeprefix("finding") for one in said)


def _said(word: str, sentence: str, width: int) -> str:
    indent = " " * _INDENT
    said = f"{word:<{_INDENT}}{sentence}"
    wrapped = textwrap.fill(said, width, subsequent_indent=indent, break_on_hyphens=False)
    return wrapped.replace(_WHOLE, " ")


def _joined(parts: Sequence[str], between: str) -> str:
    """Join what only breaks into lines between the parts."""
    return between.join(part.replace(" ", _WHOLE) for part in parts)
