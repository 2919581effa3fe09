"""The picture of a machine in a terminal: a line for a NUMA node, a character for a core."""

from collections.abc import Iterator, Mapping, Sequence
from string import ascii_lowercase, ascii_uppercase
from typing import Final

from numalocal.machine import Kind, Machine, NumaNode
from numalocal.partition import Partition
from numalocal.pictures import tables
from numalocal.pictures.cells import Cell, Cells, Group, State
from numalocal.pictures.ink import Ink
from numalocal.pictures.sections import nearest, sections
from numalocal.quantity import format_bytes

_GLYPHS: Final = {State.SHARED: "░", State.OFFLINE: "×", State.FORBIDDEN: "·"}
_FREE: Final = "▒▓"
"""Free sets take turns, so that neighbours can be told apart."""
_USED: Final = f"{ascii_uppercase}{ascii_lowercase}"
"""Used sets are letters, which the table of sets explains."""
_KINDS: Final[Mapping[Kind | None, str]] = {None: "", "performance": "P ", "efficiency": "E "}
_CACHE: Final = "│"

_BAR_WIDTH: Final = 10
_SIZE_WIDTH: Final = 10
_BESIDE_WIDTH: Final = 2 + 2 + _BAR_WIDTH + 1 + _SIZE_WIDTH + 2
_MOST_CPUS_WIDTH: Final = 26
_LEAST_BLOCKS_WIDTH: Final = 10


def draw(
    machine: Machine,
    partition: Partition | None,
    users: Mapping[str, str],
    *,
    width: int,
    colour: bool,
) -> str:
    """Draw a machine, its sets and who uses them, no wider than `width` as far as words allow.

    `users` says by a set's id who uses it; without a partition no set is drawn.
    """
    ink = Ink(colour)
    picture = _Picture(machine, partition, users, width, ink)
    parts = [
        tables.summary(machine, width),
        "\n".join(picture.nodes()),
        picture.legend(),
        picture.sets(),
        tables.distances(machine),
        tables.findings(machine, width, ink),
    ]
    return "\n\n".join(part for part in parts if part)


class _Picture:
    """The lines of the nodes, and the legend of what they showed."""

    def __init__(
        self,
        machine: Machine,
        partition: Partition | None,
        users: Mapping[str, str],
        width: int,
        ink: Ink,
    ) -> None:
        self._machine = machine
        self._partition = partition
        self._users = users
        self._width = width
        self._ink = ink
        self._cells = Cells(machine, partition, users)
        sets = partition.sets if partition else ()
        self._places = {one.id: place for place, one in enumerate(sets)}
        used = [one.id for one in sets if one.id in users]
        self._letters = {one: _USED[place % len(_USED)] for place, one in enumerate(used)}
        self._shown: set[State] = set()
        self._joints = False
        self._groups = {node.id: self._cells.of_node(node) for node in machine.nodes}
        self._label_width = max(len(_label(node)) for node in machine.nodes) + 2
        longest = max(len(str(node.cpus) or self._without_cpus(node)) for node in machine.nodes)
        room = width - self._label_width - _BESIDE_WIDTH
        self._cpus_width = max(min(longest, _MOST_CPUS_WIDTH, room - _LEAST_BLOCKS_WIDTH), 1)
        rest = max(room - self._cpus_width, _LEAST_BLOCKS_WIDTH)
        self._blocks_width = min(rest, self._widest())

    def nodes(self) -> Iterator[str]:
        """Draw every section and its nodes."""
        for section in sections(self._machine):
            if section.title:
                yield self._ink.strong(section.title)
            for node in section.nodes:
                yield from self._node(node)

    def legend(self) -> str:
        """Explain the characters that were drawn."""
        words = {
            State.SHARED: "░ shared",
            State.FREE: "▒▓ free sets",
            State.USED: "A… used sets",
            State.OFFLINE: "× offline",
            State.FORBIDDEN: "· not allowed here",
        }
        shown = [words[state] for state in State if state in self._shown]
        if self._joints:
            shown.append(f"{_CACHE} {'L3 cache' if self._machine.l3 else 'book'} ends")
        if self._machine.kinds:
            shown += ["P performance cores", "E efficiency cores"]
        lines = [""]
        for words_of_one in shown:
            longer = f"{lines[-1]}   {words_of_one}" if lines[-1] else f"  {words_of_one}"
            if len(longer) > self._width:
                lines.append(f"  {words_of_one}")
            else:
                lines[-1] = longer
        return "\n".join(lines)

    def sets(self) -> str:
        """List the sets; nothing without a partition."""
        if self._partition is None:
            return ""
        return tables.sets(
            self._machine,
            self._partition,
            self._users,
            self._letters,
            width=self._width,
            ink=self._ink,
        )

    def _node(self, node: NumaNode) -> Iterator[str]:
        rows = list(self._rows(node))
        for number, (plain, drawn) in enumerate(rows):
            label = _label(node) if number == 0 else ""
            blocks = drawn + " " * (self._blocks_width - len(plain))
            beside = self._memory(node) if number == 0 else ""
            yield f"  {label:<{self._label_width}}{blocks}  {beside}".rstrip()

    def _rows(self, node: NumaNode) -> Iterator[tuple[str, str]]:
        """Give the node's blocks in rows that fit: as characters, and as they are written."""
        groups = self._groups[node.id]
        if not groups:
            yield "", ""
        kind: Kind | None = None
        row: list[tuple[str, str]] = []
        for group in groups:
            blocks = [self._block(cell) for cell in group.cells]
            joint = [(_CACHE, self._ink.faint(_CACHE))] if row and group.kind == kind else []
            self._joints = self._joints or bool(joint)
            if row and (group.kind != kind or len(row) + 1 + len(blocks) > self._blocks_width):
                yield _joined(row)
                row, joint = [], []
            if not row:
                row = [(mark, mark) for mark in _KINDS[group.kind]]
            row += joint + blocks
            kind = group.kind
            while len(row) > self._blocks_width:
                yield _joined(row[: self._blocks_width])
                row = row[self._blocks_width :]
        if row:
            yield _joined(row)

    def _block(self, cell: Cell) -> tuple[str, str]:
        self._shown.add(cell.state)
        if cell.owner is None or cell.state not in (State.FREE, State.USED):
            glyph = _GLYPHS[cell.state]
            return glyph, self._ink.faint(glyph)
        used, place = cell.state is State.USED, self._places[cell.owner.id]
        glyph = self._letters[cell.owner.id] if used else _FREE[place % len(_FREE)]
        return glyph, self._ink.of_set(glyph, place, used=used)

    def _memory(self, node: NumaNode) -> str:
        cpus = tables.shortened(str(node.cpus) or self._without_cpus(node), self._cpus_width)
        if node.memory_bytes is None:
            return f"{'':{_BAR_WIDTH}} {'memory ?':>{_SIZE_WIDTH}}  {cpus}"
        most = max(one.memory_bytes or 0 for one in self._machine.nodes) or 1
        inner = _BAR_WIDTH - 2
        full = round(inner * node.memory_bytes / most)
        huge = min(full, -(-inner * node.huge_page_bytes // most))
        bar = f"▕{'█' * (full - huge)}{'▒' * huge}{' ' * (inner - full)}▏"
        return f"{bar} {format_bytes(node.memory_bytes):>{_SIZE_WIDTH}}  {cpus}"

    def _without_cpus(self, node: NumaNode) -> str:
        beside = nearest(node, self._machine)
        return f"no CPUs, near node {beside.id}" if beside else "no CPUs"

    def _widest(self) -> int:
        """How many characters the longest row of blocks would have."""
        return max((_length(groups) for groups in self._groups.values() if groups), default=0)


def _length(groups: Sequence[Group]) -> int:
    return sum(len(group.cells) + 1 for group in groups) - 1 + len(_KINDS[groups[0].kind])


def _label(node: NumaNode) -> str:
    return f"node {node.id}"


def _joined(row: Sequence[tuple[str, str]]) -> tuple[str, str]:
    return "".join(plain for plain, _ in row), "".join(drawn for _, drawn in row)
