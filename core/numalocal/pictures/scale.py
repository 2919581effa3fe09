"""A node's cores in the drawing: how large they are, and how they are laid out."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log, sqrt
from typing import Final

from numalocal.machine.model import KINDS
from numalocal.pictures.boxes import Box, CoreBox, GroupBox, Size, flow
from numalocal.pictures.cells import CellGroup

_EFFICIENCY: Final = 0.7
_TWO_ROWS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The sizes of one drawing: a core's side, cards, and the wanted shape of a node's cores."""

    core: float
    shape: float
    framed: bool
    compact: bool

    @property
    def step(self) -> float:
        """From one core to the next."""
        return self.core + max(3.0, self.core / 7)

    @property
    def frame(self) -> float:
        """From a frame to its cores."""
        return 7.0 if self.framed else 0.0

    @property
    def pad(self) -> float:
        """From a card's edge to what is in it."""
        return 9.0 if self.compact else 18.0

    @property
    def least_card(self) -> float:
        """The width that a card's words need."""
        return 112.0 if self.compact else 340.0

    @property
    def header(self) -> float:
        """The height of a card's title and memory bar."""
        return 76.0 if self.compact else 88.0


def block(groups: Sequence[CellGroup], scale: Scale) -> tuple[list[Size], Size]:
    """Flow a node's groups into a block of about the wanted shape."""
    if not groups:
        return [], (0.0, 0.0)
    sizes = [_group_size(group, scale) for group in groups]
    gap = 8.0
    every = range(1, len(sizes) + 1)
    flows = (flow(sizes, [in_row] * ceil(len(sizes) / in_row), gap) for in_row in every)
    return min(flows, key=lambda one: abs(log(one[1][0] / one[1][1] / scale.shape)))


def _group_size(group: CellGroup, scale: Scale) -> Size:
    columns = _columns(len(group.cells), scale.shape)
    rows = ceil(len(group.cells) / columns)
    # The last core of a row has no gap beside it.
    rest = 2 * scale.frame - (scale.step - scale.core)
    return columns * scale.step + rest, rows * scale.step + rest


def group_box(group: CellGroup, scale: Scale, x: float, y: float) -> GroupBox:
    """Place a group and its cores."""
    width, height = _group_size(group, scale)
    columns = _columns(len(group.cells), scale.shape)
    side = scale.core * (_EFFICIENCY if group.kind == KINDS[1] else 1)
    inset = scale.frame + (scale.core - side) / 2
    cores = [
        CoreBox(
            box=Box(
                x=x + inset + index % columns * scale.step,
                y=y + inset + index // columns * scale.step,
                width=side,
                height=side,
            ),
            cell=cell,
        )
        for index, cell in enumerate(group.cells)
    ]
    box = Box(x=x, y=y, width=width, height=height)
    return GroupBox(box=box, cores=cores, framed=scale.framed)


def _columns(cores: int, shape: float) -> int:
    """Lay up to 8 cores in a row, up to 16 in two, more into a block with few gaps."""
    if cores <= _TWO_ROWS:
        return cores if cores <= _TWO_ROWS // 2 else ceil(cores / 2)
    wanted = sqrt(shape * cores)
    around = range(max(1, int(wanted * 0.75)), ceil(wanted * 1.33) + 1)
    return min(around, key=lambda one: (-cores % one, abs(one - wanted)))
