"""The drawing's boxes, in SVG's units from the top left, and how they fill rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from numalocal.pictures.cells import Cell
from numalocal.pictures.sections import NodeView

Size = tuple[float, float]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreBox:
    """One core."""

    box: Box
    cell: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupBox:
    """Cores around one cache; `framed` where a node has several caches."""

    box: Box
    cores: Sequence[CoreBox]
    framed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeBox:
    """One NUMA node's card: title and memory bar above its cores, its sets from `sets_y` on.

    `compact` cards have room for a line of few words.
    """

    box: Box
    node: NodeView
    memory: Box
    groups: Sequence[GroupBox]
    sets_y: float
    compact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionBox:
    """The nodes of one package."""

    box: Box
    title: str
    nodes: Sequence[NodeBox]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The machine; what stands above and below it has its width."""

    width: float
    height: float
    sections: Sequence[SectionBox]


def even_rows(sizes: Sequence[Size], width: float, gap: float) -> list[int]:
    """Say how many boxes stand in each row, so that rows are as few and as even as they can be."""
    narrow, wide = max(one for one, _ in sizes), width
    fewest = len(_rows(sizes, wide, gap))
    while wide - narrow > 1:
        middle = (narrow + wide) / 2
        if len(_rows(sizes, middle, gap)) == fewest:
            wide = middle
        else:
            narrow = middle
    return _rows(sizes, wide, gap)


def flow(sizes: Sequence[Size], rows: Iterable[int], gap: float) -> tuple[list[Size], Size]:
    """Place boxes in rows of so many; gives their corners, and width and height of all."""
    places: list[Size] = []
    right = y = 0.0
    for number in rows:
        row = sizes[len(places) : len(places) + number]
        x = 0.0
        for width, _ in row:
            places.append((x, y))
            x += width + gap
        right = max(right, x - gap)
        y += max(height for _, height in row) + gap
    return places, (right, max(0.0, y - gap))


def _rows(sizes: Sequence[Size], width: float, gap: float) -> list[int]:
    rows: list[int] = []
    x = 0.0
    for box, _ in sizes:
        if rows and x + box <= width:
            rows[-1] += 1
        else:
            rows.append(1)
            x = 0.0
        x += box + gap
    return rows
