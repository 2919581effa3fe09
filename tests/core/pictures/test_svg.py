from collections.abc import Callable
from itertools import combinations
from xml.etree import ElementTree

import pytest

from numalocal.discovery import discover
from numalocal.machine import Finding
from numalocal.pictures import svg
from numalocal.pictures.layout import PAGE_WIDTH, Box, Page, lay_out
from numalocal.sysfs import Sysfs
from simulated import MACHINES, written

from .conftest import SIZES, drawn

NAMESPACE = "{http://www.w3.org/2000/svg}"
BIG = ("cpus-2048", "nodes-128", "s390x-drawers", "graviton4")


def page(name: str) -> Page:
    if name in SIZES:
        return lay_out(*drawn(name))
    return lay_out(discover(Sysfs(written(MACHINES[name]))), None, {})


def apart(boxes: list[Box]) -> bool:
    return not any(one.touches(other) for one, other in combinations(boxes, 2))


@pytest.mark.parametrize("name", ["hybrid", "cxl"])
def test_a_drawing_is_its_golden_file(golden: Callable[[str, str], None], name: str) -> None:
    golden(f"{name}.svg", svg.draw(*drawn(name), title=name))


@pytest.mark.parametrize("name", SIZES)
def test_every_core_is_drawn_once_and_tells_what_it_is(name: str) -> None:
    machine, cut, users = drawn(name)

    root = ElementTree.fromstring(svg.draw(machine, cut, users, title=name))

    told = [one.text or "" for one in root.iterfind(f".//{NAMESPACE}g/{NAMESPACE}title")]
    cores = [text for text in told if "core of CPUs" in text]
    assert len(cores) == len(set(cores)) == len(machine.cores)
    assert sum("llama-0 rank 0" in text for text in cores) == SIZES[name]


@pytest.mark.parametrize("name", [*SIZES, *BIG])
def test_boxes_lie_within_each_other_and_never_overlap(name: str) -> None:
    drawing = page(name)

    assert drawing.width <= PAGE_WIDTH
    assert apart([one.box for one in drawing.sections])
    for section in drawing.sections:
        assert apart([one.box for one in section.nodes])
        for node in section.nodes:
            assert section.box.holds(node.box)
            assert node.box.holds(node.memory)
            assert apart([*(one.box for one in node.groups), node.memory])
            for group in node.groups:
                assert node.box.holds(group.box)
                assert all(group.box.holds(core.box) for core in group.cores)
                assert apart([core.box for core in group.cores[:64]])


@pytest.mark.parametrize("name", [*SIZES, *BIG])
def test_a_drawing_is_no_strip(name: str) -> None:
    drawing = page(name)

    assert 0.2 < drawing.foot_y / drawing.width < 6


def test_what_users_are_called_cannot_break_the_drawing() -> None:
    machine, cut, _ = drawn("hybrid")
    users = {cut.sets[0].id: "<b> & 'c'"}
    odd = machine._replace(findings=(Finding("/sys/<x>", "a & b"),))

    root = ElementTree.fromstring(svg.draw(odd, cut, users, title="<&>"))

    texts = [one.text or "" for one in root.iter(f"{NAMESPACE}text")]
    assert "<&>" in texts
    assert any(text.endswith("· <b> & 'c'") for text in texts)
    assert "finding: /sys/<x>: a & b" in texts
