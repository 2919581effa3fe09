"""The drawing of a machine: packages, NUMA nodes, caches and cores, coloured by CPU set."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Final

from numalocal.machine.model import Machine
from numalocal.pictures import shapes, words
from numalocal.pictures.boxes import Box, Page, SectionBox
from numalocal.pictures.cards import Cards
from numalocal.pictures.foot import foot
from numalocal.pictures.layout import LINE_HEIGHT, MARGIN, lay_out
from numalocal.pictures.sections import Guests
from numalocal.pictures.shapes import fitting, number, rect, text
from numalocal.sets.partition import Partition

_SUBTITLE: Final = 14
_TOP: Final = 74
_ABOVE_FOOT: Final = 28
_BELOW: Final = 16


def draw(
    machine: Machine,
    partition: Partition | None,
    used_by: Mapping[str, str],
    *,
    guests: Guests = MappingProxyType({}),
    title: str,
) -> str:
    """Draw a machine as a whole SVG document, with a tooltip on every core.

    `used_by` says by a set's id who uses it; without a partition no set is drawn.  `guests` say by
    node who else has memory there.
    """
    cards, page = Cards(machine, partition, used_by), lay_out(machine, partition, used_by, guests)
    return "\n".join(_Drawing(machine, partition, cards, page, title).lines())


class _Drawing:
    """The elements of one drawing."""

    def __init__(
        self,
        machine: Machine,
        partition: Partition | None,
        cards: Cards,
        page: Page,
        title: str,
    ) -> None:
        self._machine = machine
        self._partition = partition
        self._title = title
        self._cards = cards
        self._page = page

    def lines(self) -> Iterator[str]:
        page = self._page
        facts = [", ".join(words.facts(self._machine))]
        said = words.limits(self._machine, self._partition)
        facts += [f"{word}: {sentence}" for word, sentence in said]
        room = shapes.letters(page.width - 2 * MARGIN, _SUBTITLE)
        subtitle = [line for fact in facts for line in textwrap.wrap(fact, room)]
        top = _TOP + LINE_HEIGHT * len(subtitle)
        below, foot_height = foot(self._machine, page)
        foot_y = top + page.height + _ABOVE_FOOT
        yield from self._head(foot_y + foot_height, facts, subtitle)
        yield f'<g transform="translate(0 {number(top)})">'
        for section in page.sections:
            yield from self._section(section)
        yield f'</g><g transform="translate(0 {number(foot_y)})">'
        yield from below
        yield "</g></svg>"

    def _head(self, bottom: float, facts: Sequence[str], subtitle: Sequence[str]) -> Iterator[str]:
        """Open the document, whose last element ends there, and write its titles."""
        page = Box(x=0, y=0, width=self._page.width, height=bottom + _BELOW)
        width, height = number(page.width), number(page.height)
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img">'
        )
        told = escape(words.printable("; ".join(facts)))
        yield f"<title>{escape(words.printable(self._title))}</title><desc>{told}</desc>"
        yield f"<style>{shapes.STYLE}</style>"
        yield rect(page, 'fill="#fbfcfd"')
        yield text(MARGIN, 46, fitting(self._title, page.width - 2 * MARGIN, 26), "h")
        for index, line in enumerate(subtitle):
            yield text(MARGIN, 70 + index * LINE_HEIGHT, line, "s")

    def _section(self, section: SectionBox) -> Iterator[str]:
        yield rect(section.box, 'rx="18" fill="#eff3f7" stroke="#d5dde6"')
        if section.title:
            title = fitting(section.title, section.box.width - 40, 16)
            yield text(section.box.x + 20, section.box.y + 34, title, "p")
        for node in section.nodes:
            yield from self._cards.draw(node)
