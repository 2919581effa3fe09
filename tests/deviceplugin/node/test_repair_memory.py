"""Repair of memory nodes that pods ask for, on a machine whose tier comes and goes."""

from pathlib import Path

import pytest

from numalocal_deviceplugin.pods import Pod

from ..nodes import (
    make_container,
    make_machine,
    make_pod,
    make_state,
    make_tiered_machine,
)
from .test_repair import FIRST, Node

TIERED, FLAT = make_tiered_machine(), make_machine()
ASKS = [
    ({"memory_policy": "Preferred"}, "0-2"),
    ({"memory_policy": "Preferred", "memory_nodes": "MemoryOnly"}, "0-2"),
    ({"memory_policy": "Interleave", "memory_nodes": "Near"}, "0,2"),
    ({"memory_nodes": "Any"}, "0-2"),
    ({"memory_nodes": "MemoryOnly"}, "2"),
    ({"memory": "9Gi", "on_overflow": "Interleave"}, "0,2"),
]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path, make_state(machine=TIERED))


def run(node: Node, pod: Pod, mems: str) -> None:
    """Let its engine run on CPU 2-3 with these memory nodes, as the runtime was told."""
    engine = make_container(cpus="2-3", mems=mems)
    engine = engine._replace(cgroup=f"kubepods-pod1.slice:cri:{engine.name}")
    node.state.admit(pod, engine, FIRST)
    node.state.created(pod, engine)
    node.write(node.folder("engine"), "2-3", mems)


def mems(node: Node) -> str:
    return (node.root / node.folder("engine") / "cpuset.mems.effective").read_text().strip()


@pytest.mark.parametrize(("asks", "right"), ASKS)
def test_what_is_asked_for_is_left_alone(node: Node, asks: dict[str, str], right: str) -> None:
    run(node, make_pod("worker", **asks), right)

    for _ in range(3):
        node.look(after_s=10)

    assert node.asked == []


@pytest.mark.parametrize("by_hand", ["0", "1", "2", "0-1", "0,2", "0-2"])
@pytest.mark.parametrize(("asks", "right"), ASKS)
def test_what_another_hand_narrows_or_widens_is_set_back(
    node: Node, asks: dict[str, str], right: str, by_hand: str
) -> None:
    run(node, make_pod("worker", **asks), right)
    node.look()
    node.write(node.folder("engine"), "2-3", by_hand)

    for _ in range(3):
        node.look(after_s=3)

    assert mems(node) == right
    assert node.refusals == []


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize(("asks", "right"), ASKS)
def test_a_tier_that_goes_and_comes_within_seconds_leaves_all_as_it_was(
    node: Node,
    asks: dict[str, str],
    right: str,
    seen: bool,  # noqa: FBT001 - whether the agent's look at the machine falls in between
) -> None:
    """The kernel leaves offline nodes out by itself, and refuses to be told of them."""
    run(node, make_pod("worker", **asks), right)
    node.look()
    node.obeys = False
    node.write(node.folder("engine"), "2-3", {"0-2": "0-1", "0,2": "0", "2": "0-1"}[right])
    node.look(after_s=1)
    if seen:
        node.state.set_machine(FLAT)
        node.look(after_s=2)
    node.obeys = True
    node.write(node.folder("engine"), "2-3", right)
    node.state.set_machine(TIERED)
    for _ in range(3):
        node.look(after_s=3)

    assert mems(node) == right
    assert node.state.snapshot().refusals == ()


def test_a_tier_that_comes_is_given_to_who_may_have_it(tmp_path: Path) -> None:
    node = Node(tmp_path, make_state(machine=FLAT))
    run(node, make_pod("worker", memory_policy="Preferred"), "0-1")
    node.look()

    node.state.set_machine(TIERED)
    node.look(after_s=3)
    node.look(after_s=3)

    assert mems(node) == "0-2"
