"""Where everything is in the drawing: pure geometry, from the cores up."""

from collections.abc import Iterator, Mapping, Sequence
from math import log
from typing import Final

from numalocal.machine.model import Machine
from numalocal.pictures.boxes import Box, NodeBox, Page, SectionBox, Size, even_rows, flow
from numalocal.pictures.scale import Scale, block, group_box
from numalocal.pictures.sections import Guests, NodeView, Section, sections
from numalocal.sets.partition import Partition

PAGE_WIDTH: Final = 1600
LEAST_PAGE_WIDTH: Final = 800
MARGIN: Final = 40
LINE_HEIGHT: Final = 20
MOST_LINES: Final = 8
"""Of more sets than that on one node the rest are counted."""
_CORES: Final = (40, 34, 28, 24, 20, 16, 12)
_LARGE: Final = 52
_FEW: Final = 16
"""So few cores can be large."""
_COMPACT: Final = 32
"""Of more nodes than that the cards have to be small."""
_SHAPES: Final = (1.0, 2.0, 4.0)
_SHAPE: Final = 1.6
"""A page as wide to its height as a slide, without its title."""
_MOST_HEIGHT: Final = 0.75
_MOST_EMPTY: Final = 0.2
_TITLE: Final = 38
_GAP: Final = 20
_ABOVE_SETS: Final = 16


def lay_out(
    machine: Machine, partition: Partition | None, used_by: Mapping[str, str], guests: Guests
) -> Page:
    """Place a machine: packages, nodes in them, caches in those, cores in these, in rows."""
    parts = sections(machine, partition, used_by, guests)
    placer = min(_placers(parts), key=_Placer.effort)
    return placer.page()


def _placers(parts: Sequence[Section]) -> Iterator["_Placer"]:
    nodes = [node for part in parts for node in part.nodes]
    framed = any(len({group.locality for group in node.groups}) > 1 for node in nodes)
    few = sum(len(group.cells) for node in nodes for group in node.groups) <= _FEW
    for core in (_LARGE, *_CORES) if few else _CORES:
        for shape in _SHAPES:
            compact = len(nodes) > _COMPACT
            yield _Placer(parts, Scale(core=core, shape=shape, framed=framed, compact=compact))


class _Placer:
    """Sizes and places of one drawing's parts at one scale."""

    def __init__(self, parts: Sequence[Section], scale: Scale) -> None:
        self._parts = parts
        self._scale = scale
        nodes = [node for part in parts for node in part.nodes]
        widest = max(block(node.groups, scale)[1][0] for node in nodes)
        self._card_width = max(scale.least_card, widest + 2 * scale.pad)

    def effort(self) -> tuple[float, bool, float, float]:
        """Say what it costs to look at: a page too high, or half empty, small cores, odd shape."""
        _, (width, height) = self._flow_sections()
        sizes = (self._section_size(part) for part in self._parts)
        empty = 1 - sum(wide * high for wide, high in sizes) / (width * height)
        shape = max(width, LEAST_PAGE_WIDTH) / height
        too_wide = max(0.0, width - (PAGE_WIDTH - 2 * MARGIN))
        # Rows are whole, so heights jump; what differs by less is as good.
        too_high = round(max(0.0, 1 / shape - _MOST_HEIGHT), 1)
        odd = abs(log(shape / _SHAPE))
        return too_wide + too_high, empty > _MOST_EMPTY, -self._scale.core, odd

    def page(self) -> Page:
        """Place everything; packages beside each other get one height."""
        places, (width, height) = self._flow_sections()
        tallest: dict[float, float] = {}
        for part, (_, y) in zip(self._parts, places, strict=True):
            tallest[y] = max(tallest.get(y, 0.0), self._section_size(part)[1])
        boxes = [
            self._section(part, MARGIN + x, y, tallest[y])
            for part, (x, y) in zip(self._parts, places, strict=True)
        ]
        return Page(width=max(width + 2 * MARGIN, LEAST_PAGE_WIDTH), height=height, sections=boxes)

    def _flow_sections(self) -> tuple[list[Size], Size]:
        sizes = [self._section_size(part) for part in self._parts]
        return flow(sizes, even_rows(sizes, PAGE_WIDTH - 2 * MARGIN, _GAP), _GAP)

    def _section_size(self, section: Section) -> Size:
        _, (width, height) = self._flow_nodes(section)
        return width + 2 * self._scale.pad, height + 2 * self._scale.pad + _title(section)

    def _section(self, section: Section, x: float, y: float, height: float) -> SectionBox:
        width, _ = self._section_size(section)
        places, _ = self._flow_nodes(section)
        left, top = x + self._scale.pad, y + self._scale.pad + _title(section)
        nodes = [
            self._node(node, Box(x=left + dx, y=top + dy, width=size[0], height=size[1]))
            for node, size, (dx, dy) in zip(
                section.nodes, self._node_sizes(section), places, strict=True
            )
        ]
        box = Box(x=x, y=y, width=width, height=height)
        return SectionBox(box=box, title=section.title, nodes=nodes)

    def _flow_nodes(self, section: Section) -> tuple[list[Size], Size]:
        gap = self._scale.pad
        sizes = self._node_sizes(section)
        return flow(sizes, even_rows(sizes, PAGE_WIDTH - 2 * MARGIN - 2 * gap, gap), gap)

    def _node_sizes(self, section: Section) -> list[Size]:
        """Give cards beside each other one height, but those without cores no more than words."""
        heights = [self._node_height(node) for node in section.nodes]
        tallest = max(heights)
        return [
            (self._card_width, tallest if node.groups else height)
            for node, height in zip(section.nodes, heights, strict=True)
        ]

    def _node_height(self, node: NodeView) -> float:
        inner = block(node.groups, self._scale)[1][1]
        lines = sum(min(len(one), MOST_LINES + 1) for one in (node.sets, node.guests))
        below = lines * LINE_HEIGHT + _ABOVE_SETS if lines else 0
        return self._scale.header + (inner + self._scale.pad if node.groups else 0) + below

    def _node(self, node: NodeView, box: Box) -> NodeBox:
        scale = self._scale
        left, top = box.x + scale.pad, box.y + scale.header
        places, (_, inner) = block(node.groups, scale)
        bar = 6 if scale.compact else 9
        return NodeBox(
            box=box,
            node=node,
            memory=Box(
                x=left, y=top - scale.pad - bar, width=box.width - 2 * scale.pad, height=bar
            ),
            groups=[
                group_box(group, scale, left + dx, top + dy)
                for group, (dx, dy) in zip(node.groups, places, strict=True)
            ],
            sets_y=top + inner + _ABOVE_SETS,
            compact=scale.compact,
        )


def _title(section: Section) -> float:
    return _TITLE if section.title else 0
