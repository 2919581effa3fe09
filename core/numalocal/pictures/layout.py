"""Where everything is in the drawing: pure geometry, in SVG's units, from the top left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Final

from numalocal.cpusets import CpuSet
from numalocal.machine import KINDS, Machine, NumaNode
from numalocal.partition import Partition
from numalocal.pictures.cells import Cell, Cells, Group
from numalocal.pictures.sections import Section, sections

PAGE_WIDTH: Final = 1600
MARGIN: Final = 40
TITLE_HEIGHT: Final = 84
SECTION_TITLE_HEIGHT: Final = 34
NODE_TITLE_HEIGHT: Final = 56
MEMORY_HEIGHT: Final = 34
LINE_HEIGHT: Final = 20
MOST_LINES: Final = 8
"""Of more sets than that on one node the rest are counted."""
LEAST_NODE_WIDTH: Final = 300
_EFFICIENCY_SCALE: Final = 0.7
_PAD: Final = 16
_GAP: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    def holds(self, other: "Box") -> bool:
        """Tell whether another lies within."""
        return (
            self.x <= other.x
            and self.y <= other.y
            and other.x + other.width <= self.x + self.width
            and other.y + other.height <= self.y + self.height
        )

    def touches(self, other: "Box") -> bool:
        """Tell whether they share more than a border."""
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreBox:
    """One core."""

    box: Box
    cell: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupBox:
    """Cores around one cache; `framed` where the machine has several."""

    box: Box
    cores: Sequence[CoreBox]
    framed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeBox:
    """One NUMA node: its title above, its cores, its memory bar and its sets below."""

    box: Box
    node: NumaNode
    groups: Sequence[GroupBox]
    memory: Box
    sets: Sequence[CpuSet]


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionBox:
    """The nodes of one package."""

    box: Box
    title: str
    nodes: Sequence[NodeBox]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole drawing; what stands below the sections begins at `foot_y`."""

    width: float
    foot_y: float
    sections: Sequence[SectionBox]


def lay_out(machine: Machine, partition: Partition | None, users: Mapping[str, str]) -> Page:
    """Place a machine: packages, nodes in them, caches in those, cores in these, in rows."""
    cells = Cells(machine, partition, users)
    groups = {node.id: cells.of_node(node) for node in machine.nodes}
    placer = _Placer(groups, partition.sets if partition else (), _core_size(machine))
    parts = sections(machine)
    sizes = [placer.section_size(section) for section in parts]
    places, _, bottom = _flow(sizes, PAGE_WIDTH - 2 * MARGIN, _GAP)
    boxes = [
        placer.section(section, MARGIN + x, TITLE_HEIGHT + y)
        for section, (x, y) in zip(parts, places, strict=True)
    ]
    right = max(one.box.x + one.box.width for one in boxes)
    return Page(width=max(right + MARGIN, 760), foot_y=TITLE_HEIGHT + bottom + _GAP, sections=boxes)


Size = tuple[float, float]


class _Placer:
    """Sizes and places of one drawing's parts, from the cores up."""

    def __init__(
        self, groups: Mapping[int, Sequence[Group]], sets: Sequence[CpuSet], core: float
    ) -> None:
        self._groups = groups
        self._sets = {node: [one for one in sets if one.numa_node == node] for node in groups}
        self._core = core
        self._step = core + max(2, core / 6)
        most = max((len(one) for one in groups.values()), default=1)
        self._framed = most > 1
        widest = max((self._inner(one)[1] for one in groups.values()), default=0)
        self._node_width = max(LEAST_NODE_WIDTH, widest + 2 * _PAD)

    def section_size(self, section: Section) -> Size:
        _, width, height = self._flow_nodes(section)
        title = SECTION_TITLE_HEIGHT if section.title else 0
        return width + 2 * _PAD, height + 2 * _PAD + title

    def section(self, section: Section, x: float, y: float) -> SectionBox:
        width, height = self.section_size(section)
        top = y + _PAD + (SECTION_TITLE_HEIGHT if section.title else 0)
        places, _, _ = self._flow_nodes(section)
        tallest = max(self._node_size(node)[1] for node in section.nodes)
        nodes = [
            self._node(node, x + _PAD + dx, top + dy, tallest)
            for node, (dx, dy) in zip(section.nodes, places, strict=True)
        ]
        return SectionBox(
            box=Box(x=x, y=y, width=width, height=height), title=section.title, nodes=nodes
        )

    def _flow_nodes(self, section: Section) -> tuple[list[tuple[float, float]], float, float]:
        tallest = max(self._node_size(node)[1] for node in section.nodes)
        sizes = [(self._node_width, tallest)] * len(section.nodes)
        return _flow(sizes, PAGE_WIDTH - 2 * MARGIN - 2 * _PAD, _PAD)

    def _node_size(self, node: NumaNode) -> Size:
        inner = self._inner(self._groups[node.id])[2]
        lines = min(len(self._sets[node.id]), MOST_LINES + 1)
        below = MEMORY_HEIGHT + (lines * LINE_HEIGHT + 8 if lines else 0)
        return self._node_width, NODE_TITLE_HEIGHT + inner + below + _PAD

    def _node(self, node: NumaNode, x: float, y: float, height: float) -> NodeBox:
        own = self._groups[node.id]
        places, _, inner = self._inner(own)
        left, top = x + _PAD, y + NODE_TITLE_HEIGHT
        groups = [
            self._group(group, left + dx, top + dy)
            for group, (dx, dy) in zip(own, places, strict=True)
        ]
        bar = Box(x=left, y=top + inner + 12, width=self._node_width - 2 * _PAD, height=14)
        return NodeBox(
            box=Box(x=x, y=y, width=self._node_width, height=height),
            node=node,
            groups=groups,
            memory=bar,
            sets=self._sets[node.id],
        )

    def _inner(self, groups: Sequence[Group]) -> tuple[list[tuple[float, float]], float, float]:
        """Flow a node's groups into about as much width as height."""
        sizes = [self._group_size(group) for group in groups]
        area = sum(width * height for width, height in sizes)
        wide = max([sqrt(area) * 1.6, LEAST_NODE_WIDTH - 2 * _PAD, *(one[0] for one in sizes)])
        return _flow(sizes, min(wide, PAGE_WIDTH - 2 * MARGIN - 4 * _PAD), 8)

    def _group_size(self, group: Group) -> Size:
        columns = _columns(len(group.cells))
        rows = ceil(len(group.cells) / columns)
        pad = 12 if self._framed else 0
        return columns * self._step + pad, rows * self._step + pad

    def _group(self, group: Group, x: float, y: float) -> GroupBox:
        width, height = self._group_size(group)
        columns, pad = _columns(len(group.cells)), 6 if self._framed else 0
        side = self._core * (_EFFICIENCY_SCALE if group.kind == KINDS[1] else 1)
        inset = pad + (self._step - side) / 2
        cores = [
            CoreBox(
                box=Box(
                    x=x + inset + index % columns * self._step,
                    y=y + inset + index // columns * self._step,
                    width=side,
                    height=side,
                ),
                cell=cell,
            )
            for index, cell in enumerate(group.cells)
        ]
        box = Box(x=x, y=y, width=width, height=height)
        return GroupBox(box=box, cores=cores, framed=self._framed)


def _core_size(machine: Machine) -> float:
    """Give cores of big machines less room."""
    count = len(machine.cores)
    return next((size for size, most in ((34, 16), (26, 64), (20, 256)) if count <= most), 12)


def _columns(cores: int) -> int:
    """Caches have 4, 8 or 16 cores; more go into a block twice as wide as high."""
    return min(cores, 8) if cores <= 16 else ceil(sqrt(2 * cores))  # noqa: PLR2004 - two rows


def _flow(
    sizes: Sequence[Size], width: float, gap: float
) -> tuple[list[tuple[float, float]], float, float]:
    """Place boxes in rows no wider than that; gives their corners, and width and height of all."""
    places: list[tuple[float, float]] = []
    x = y = right = tallest = 0.0
    for box_width, box_height in sizes:
        if x and x + box_width > width:
            x, y, tallest = 0.0, y + tallest + gap, 0.0
        places.append((x, y))
        right = max(right, x + box_width)
        x += box_width + gap
        tallest = max(tallest, box_height)
    return places, right, y + tallest
