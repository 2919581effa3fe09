import re
from collections.abc import Callable, Sequence
from itertools import combinations
from xml.etree import ElementTree

import pytest

from numalocal.machine.model import Finding
from numalocal.pictures import svg
from numalocal.pictures.boxes import Box, NodeBox, even_rows, flow
from numalocal.pictures.cells import colour_numbers
from numalocal.pictures.layout import PAGE_WIDTH, lay_out

from .conftest import MACHINES, Drawn, drawn

NAMESPACE = "{http://www.w3.org/2000/svg}"
GOLDEN_MACHINES = ("two-nodes", "hybrid", "memory-only", "broken")
MARGIN_OF_ERROR = 1e-6


def tree(drawing: Drawn, title: str = "a machine") -> ElementTree.Element:
    machine, parts, users = drawing
    return ElementTree.fromstring(svg.draw(machine, parts, users, title=title))


def texts(root: ElementTree.Element) -> list[str]:
    return [one.text or "" for one in root.iter(f"{NAMESPACE}text")]


def tooltips(root: ElementTree.Element) -> list[str]:
    told = [one.text or "" for one in root.iterfind(f".//{NAMESPACE}g/{NAMESPACE}title")]
    return [text for text in told if text.startswith("CPU ")]


def apart(boxes: Sequence[Box]) -> bool:
    return not any(overlap(*two) for two in combinations(map(shrunk, boxes), 2))


def overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def shrunk(box: Box) -> Box:
    """Take what floating point adds off a box."""
    return Box(
        x=box.x + MARGIN_OF_ERROR,
        y=box.y + MARGIN_OF_ERROR,
        width=box.width - 2 * MARGIN_OF_ERROR,
        height=box.height - 2 * MARGIN_OF_ERROR,
    )


def check_card(node: NodeBox) -> None:
    assert node.box.holds(node.memory)
    assert apart([*(one.box for one in node.groups), node.memory])
    for group in node.groups:
        assert node.box.holds(shrunk(group.box))
        assert group.box.y + group.box.height <= node.sets_y
        assert all(group.box.holds(shrunk(core.box)) for core in group.cores)
        assert apart([core.box for core in group.cores])


@pytest.mark.parametrize("name", GOLDEN_MACHINES)
def test_a_drawing_is_its_golden_file(golden: Callable[[str, str], None], name: str) -> None:
    machine, parts, users = drawn(name)

    golden(f"{name}.svg", svg.draw(machine, parts, users, title=name))


@pytest.mark.parametrize("name", MACHINES)
def test_every_core_is_drawn_once(name: str) -> None:
    machine, _, _ = drawn(name)

    told = tooltips(tree(drawn(name)))

    assert len(told) == len(machine.cores)
    assert {text.split(" · ")[0] for text in told} == {f"CPU {core.cpus}" for core in machine.cores}


def test_a_tooltip_says_what_a_core_is() -> None:
    told = [
        text for name in ("two-nodes", "hybrid", "broken") for text in tooltips(tree(drawn(name)))
    ]

    assert "CPU 0,12 · core 0 · shared" in told
    assert "CPU 1,13 · core 1 · set cpuset-n0-c1x4 · llama-0 rank 0" in told
    assert "CPU 3,15 · core 3 · set cpuset-n0-c3x4 · free" in told
    assert "CPU 6,14 · core 2 · not allowed to this process" in told
    assert any(text.startswith("CPU 16 · efficiency core 16 · ") for text in told)


@pytest.mark.parametrize("name", MACHINES)
def test_boxes_lie_within_each_other_and_never_overlap(name: str) -> None:
    page = lay_out(*drawn(name), {})

    assert page.width <= PAGE_WIDTH
    assert apart([one.box for one in page.sections])
    for section in page.sections:
        assert section.box.x + section.box.width <= page.width
        assert section.box.y + section.box.height <= page.height + MARGIN_OF_ERROR
        assert apart([one.box for one in section.nodes])
        for node in section.nodes:
            assert section.box.holds(shrunk(node.box))
            check_card(node)


@pytest.mark.parametrize("name", MACHINES)
def test_a_drawing_is_no_strip(name: str) -> None:
    page = lay_out(*drawn(name), {})

    assert 0.2 < page.height / page.width < 1.5


@pytest.mark.parametrize("name", MACHINES)
def test_words_stay_on_the_page(name: str) -> None:
    """Legend and findings are placed by groups, whose origins add up."""
    root = tree(drawn(name))
    width, height = (float(size) for size in root.attrib["viewBox"].split()[2:])

    def check(element: ElementTree.Element, x: float, y: float) -> None:
        move = element.attrib.get("transform", "translate(0 0)")
        dx, dy = map(float, move.removeprefix("translate(").removesuffix(")").split())
        for child in element:
            check(child, x + dx, y + dy)
        if element.tag == f"{NAMESPACE}text" and "e" not in element.attrib["class"].split():
            right = x + float(element.attrib["x"]) + 6 * len(element.text or "")
            assert right <= width, element.text
            assert y + float(element.attrib["y"]) <= height, element.text

    check(root, 0, 0)


def test_sets_are_named_with_who_uses_them() -> None:
    said = texts(tree(drawn("two-nodes")))

    assert "cpuset-n0-c1x4 · llama-0 rank 0" in said
    assert "cpuset-n0-c3x4 · free" in said


def test_of_many_sets_the_used_ones_are_named() -> None:
    machine, parts, _ = drawn("one-core-sets")
    assert parts

    said = texts(tree((machine, parts, {parts.sets[40].id: "decode"})))

    assert f"{parts.sets[40].id} · decode" in said
    assert said.count("and 55 more sets") == 2


def test_the_legend_names_what_is_drawn_and_nothing_else() -> None:
    machine, _, _ = drawn("hybrid")

    bare = texts(tree((machine, None, {})))

    assert "core shared by all others" in bare
    assert "small: efficiency core" in bare
    assert not any("frame" in said or "set" in said or "huge" in said for said in bare)
    assert "frame: cores that share an L3 cache" in texts(tree(drawn("epyc")))
    assert "memory in huge pages" in texts(tree(drawn("memory-only")))
    assert "core that is offline" in texts(tree(drawn("broken")))
    assert "core in a set that cannot be given" in texts(tree(drawn("broken")))


def test_memory_without_cpus_is_drawn_beside_the_nearest_node() -> None:
    said = texts(tree(drawn("memory-only")))

    assert "no CPUs, near node 0" in said
    assert said.index("NUMA node 2") < said.index("package 1")


def test_what_users_are_called_cannot_break_the_drawing() -> None:
    machine, parts, _ = drawn("two-nodes")
    assert parts
    odd = machine._replace(findings=(Finding("/sys/<x>", "a & b"),))

    root = tree((odd, parts, {parts.sets[0].id: "<b> & 'c'\x00"}), title="<&>")

    assert "<&>" in texts(root)
    assert any("<b> & 'c'\N{REPLACEMENT CHARACTER}" in said for said in texts(root))
    assert "/sys/<x>: a & b" in texts(root)


def test_a_drawing_needs_nothing_from_elsewhere() -> None:
    machine, parts, users = drawn("epyc")

    drawing = svg.draw(machine, parts, users, title="a machine")

    assert drawing == svg.draw(machine, parts, users, title="a machine")
    assert drawing.count("http") == 1
    assert not any(word in drawing for word in ("<script", "url(", "href", "hsl("))


def test_neighbouring_sets_have_different_colours() -> None:
    """Also where every 16th set is used: a palette over all sets would give them one colour."""
    _, parts, users = drawn("one-core-sets")
    assert parts

    numbers = colour_numbers(parts.sets, users)

    assert sorted(numbers[one] for one in users) == list(range(len(users)))
    free = [numbers[one.id] for one in parts.sets if one.id not in users]
    assert free == list(range(4, 4 + len(free)))


def test_rows_are_as_even_as_they_can_be() -> None:
    sizes = [(300.0, 10.0)] * 8

    assert even_rows(sizes, 1600, 20) == [4, 4]
    assert flow(sizes, [4, 4], 20)[1] == (1260, 40)
    assert even_rows([(900.0, 10.0), *sizes], 1600, 20) == [2, 4, 3]


def test_a_card_says_who_else_has_memory_there_and_counts_the_many() -> None:
    machine, parts, users = drawn("memory-only")
    guests = {2: [f"memory of llama-0 rank {rank}: node 2" for rank in range(20)]}
    page = lay_out(machine, parts, users, guests)

    for section in page.sections:
        for node in section.nodes:
            check_card(node)
            lines = min(len(node.node.guests), 9) + len(node.node.sets)
            assert node.sets_y + lines * 20 <= node.box.y + node.box.height + MARGIN_OF_ERROR
    drawing = svg.draw(machine, parts, users, guests=guests, title="a machine")
    told = texts(ElementTree.fromstring(drawing))
    assert sum(one.startswith("memory of llama-0") for one in told) == 8
    assert "and 12 more replicas" in told


def test_a_card_of_a_devices_memory_says_so() -> None:
    machine, _, _ = drawn("memory-only")
    nodes = (*machine.nodes[:2], machine.nodes[2]._replace(device_memory=True))

    told = texts(tree((machine._replace(nodes=nodes), None, {})))

    assert "a device's memory" in told


@pytest.mark.parametrize("least", [0, 9, 11, 255])
def test_distances_that_no_firmware_should_tell_have_colours_all_the_same(least: int) -> None:
    machine, _, _ = drawn("memory-only")
    nodes = tuple(
        node._replace(distances={one: least + one + node.id for one in range(3)})
        for node in machine.nodes
    )

    drawing = svg.draw(machine._replace(nodes=nodes), None, {}, title="a machine")

    filled = re.findall(r' fill="([^"]*)"', drawing)
    assert [one for one in filled if not re.fullmatch(r"none|#([0-9a-f]{3}){1,2}", one)] == []
