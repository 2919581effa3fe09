"""Repair against a cgroup tree of files, and a runtime that writes it as containerd does."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from numalocal.idset import IdSet
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.correcting import Correction
from numalocal_deviceplugin.deviceids import sets_named
from numalocal_deviceplugin.errors import AgentError, CallFailed
from numalocal_deviceplugin.node.repair import Repair
from numalocal_deviceplugin.pods import Container
from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.settings import Settings
from numalocal_deviceplugin.standing import Policy
from numalocal_deviceplugin.state import State

from ..nodes import N0, make_container, make_machine, make_partition, make_pod, make_state
from ..waiting import PATIENCE_S, until

FIRST = Assignment.of(sets_named(make_partition().sets, [N0]))
SLICE = "kubepods-pod1.slice"
FOLDER = f"kubepods.slice/{SLICE}"


class Node:
    """A kernel and a runtime: what containers use are files, and updates are written to them."""

    def __init__(self, root: Path, state: State) -> None:
        self.root, self.state, self.now_s = root, state, 1000.0
        self.asked: list[tuple[str, str, str]] = []
        self.error: AgentError | None = None
        self.obeys = True
        self.repair = Repair(state, self.correct, root, lambda: self.now_s)
        self.write(Path("kubepods.slice"), "0-7", "0-1")

    def run(
        self, name: str, cpus: str, *, mems: str = "", pod: str = "worker", **more: str
    ) -> None:
        """Let a container run on these CPUs, as the runtime was told."""
        told = make_container(name, cpus=cpus, mems=mems)._replace(cgroup=f"{SLICE}:cri:{name}")
        if pod == "worker":
            self.state.admit(make_pod(pod), told, FIRST)
        self.state.created(make_pod(pod), told._replace(**more))  # type: ignore[arg-type]
        self.write(self.folder(name), cpus or "0-7", mems or "0-1")

    def folder(self, name: str) -> Path:
        return Path(FOLDER, f"cri-{name}.scope")

    def write(self, folder: Path, cpus: str, mems: str = "") -> None:
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / folder / "cpuset.cpus.effective").write_text(f"{cpus}\n")
        if mems:
            (self.root / folder / "cpuset.mems.effective").write_text(f"{mems}\n")

    def cpus(self, name: str) -> str:
        return (self.root / self.folder(name) / "cpuset.cpus.effective").read_text().strip()

    def correct(self, choose: Callable[[], Iterable[Correction]]) -> None:
        if self.error is not None:
            self.asked.append(("error", "", ""))
            raise self.error
        for one in choose():
            binding = one.binding
            self.asked.append((one.container.name, str(binding.cpus), str(binding.mems)))
            if self.obeys:
                self.write(self.folder(one.container.name), str(binding.cpus), str(binding.mems))

    def look(self, after_s: float = 0.0) -> None:
        self.now_s += after_s
        self.repair.once()

    @property
    def refusals(self) -> list[Refusal]:
        found = self.state.snapshot().refusals
        return [one for one in found if one.reason is Reason.DRIFT]


@pytest.fixture
def node(tmp_path: Path, state: State) -> Node:
    return Node(tmp_path, state)


def test_what_is_right_is_left_alone(node: Node) -> None:
    node.run("engine", "2-3", mems="0")
    node.run("web", "0-1,4-7", pod="web")

    node.look()
    node.look(after_s=60)

    assert node.asked == []


def test_what_the_runtime_was_told_wrong_is_corrected_at_once(node: Node) -> None:
    node.run("engine", "0-7", mems="0")
    node.run("web", "", pod="web")

    node.look()
    node.look()

    assert node.asked == [("engine", "2-3", "0"), ("web", "0-1,4-7", "")]


@pytest.mark.parametrize("by_hand", ["0-7", "2", "4-5", ""])
def test_what_was_written_by_hand_is_set_back(node: Node, by_hand: str) -> None:
    node.run("engine", "2-3", mems="0")
    node.look()

    node.write(node.folder("engine"), by_hand)
    node.look(after_s=10)
    node.look(after_s=2)
    node.look(after_s=60)

    assert node.cpus("engine") == "2-3"
    assert node.asked == [("engine", "2-3", "0")]
    assert node.refusals == []


def test_memory_nodes_that_were_written_by_hand_are_set_back(node: Node) -> None:
    node.run("engine", "2-3", mems="0")
    node.write(node.folder("engine"), "2-3", "0-1")
    node.look()
    node.look(after_s=2)

    assert node.asked == [("engine", "2-3", "0")]


def test_others_are_kept_off_the_sets_whoever_lets_them_in(node: Node) -> None:
    node.run("engine", "2-3", mems="0")
    node.run("web", "0-1,4-7", pod="web")
    node.write(node.folder("web"), "0-7")
    node.look()
    node.look(after_s=2)

    assert node.asked == [("web", "0-1,4-7", "")]


def test_others_that_have_less_than_they_could_are_left_alone(node: Node) -> None:
    node.run("engine", "2-3", mems="0")
    node.run("web", "0-1,4-7", pod="web")
    node.write(node.folder("web"), "0")
    for _ in range(10):
        node.look(after_s=60)

    assert node.asked == []
    assert node.refusals == []


def test_a_container_whose_cgroup_has_gone_is_no_drift(node: Node) -> None:
    node.run("engine", "2-3", mems="0")
    for file in (node.root / node.folder("engine")).iterdir():
        file.unlink()
    (node.root / node.folder("engine")).rmdir()
    node.look(after_s=60)

    assert node.asked == []


def test_cpus_that_are_offline_count_for_nothing(node: Node) -> None:
    node.run("engine", "2-3", mems="0")
    node.run("web", "0-1,4-7", pod="web")
    node.state.set_machine(make_machine().with_online(IdSet.parse("0-2,4-6")))
    node.write(node.folder("engine"), "2")
    node.write(node.folder("web"), "0-1,4-6")
    for _ in range(3):
        node.look(after_s=60)

    assert node.refusals == []


def test_a_hostile_path_is_never_read(node: Node, tmp_path: Path) -> None:
    (tmp_path.parent / "cpuset.cpus.effective").write_text("5")
    node.run("web", "0-7", pod="web", cgroup="/../")
    node.look(after_s=60)

    assert node.asked == []


def test_what_a_cgroup_above_does_not_leave_is_said_and_not_tried_for_ever(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    node.run("engine", "2-3", mems="0")
    node.obeys = False
    node.write(Path("kubepods.slice"), "4-7")
    node.write(node.folder("engine"), "4-7")

    for _ in range(3600):
        node.look(after_s=1)

    assert 3 < len(node.asked) < 20
    (refusal,) = node.refusals
    assert (
        f"{node.root}/kubepods.slice/cpuset.cpus.effective leaves only CPU 4-7" in refusal.message
    )
    assert len(caplog.records) < 30

    node.obeys = True
    node.write(Path("kubepods.slice"), "0-7")
    node.look(after_s=301)
    node.look(after_s=10)
    assert node.cpus("engine") == "2-3"
    assert node.refusals == []


def test_what_the_runtime_refuses_is_said_with_its_words(node: Node) -> None:
    node.run("engine", "0-7", mems="0")
    node.error = CallFailed("no such container")
    for _ in range(10):
        node.look(after_s=10)

    (refusal,) = node.refusals
    assert "the container runtime does not change it: 'no such container'" in refusal.message


@pytest.mark.parametrize(
    "state",
    [make_state(policy=Policy.STATIC), make_state(synchronized=False)],
    ids=["barred", "runtime is away"],
)
def test_nobody_is_corrected_who_must_not_be(tmp_path: Path, state: State) -> None:
    node = Node(tmp_path, state)
    node.run("web", "", pod="web")
    node.write(node.folder("web"), "2-3")

    node.look()
    node.look(after_s=60)

    assert node.asked == []


def test_a_state_that_bars_the_node_ends_what_was_said_of_containers(node: Node) -> None:
    node.state.refuse("drift", [Refusal(reason=Reason.DRIFT, message="old", subject="a/b/c")])
    node.state.set_policy(Policy.STATIC)
    node.look()

    assert node.refusals == []


def test_namespaces_that_are_left_alone_are(tmp_path: Path) -> None:
    state = make_state(settings=Settings(left_alone=frozenset({"default"})))
    node = Node(tmp_path, state)
    node.run("engine", "2-3", mems="0")
    node.run("web", "0-7", pod="web")
    node.look(after_s=60)

    assert node.asked == []


def test_what_is_to_be_corrected_is_chosen_when_the_runtime_asks(node: Node) -> None:
    """A worker that is created before that has CPUs which must not be lent then."""
    node.run("web", "0-1", pod="web")
    correct = node.correct

    def late(choose: Callable[[], Iterable[Correction]]) -> None:
        node.run("engine", "2-3", mems="0")
        correct(choose)

    Repair(node.state, late, node.root, lambda: node.now_s).once()

    assert node.asked == [("web", "0-1,4-7", "")]


@pytest.mark.parametrize("error", [None, CallFailed("no answer within 30 s")])
def test_a_container_that_ends_while_the_runtime_is_asked_ends_nothing(
    node: Node, error: AgentError | None
) -> None:
    node.run("engine", "0-7", mems="0")
    correct = node.correct

    def ending(choose: Callable[[], Iterable[Correction]]) -> None:
        node.state.stopped("uid-of-worker", "id-of-engine")
        correct(choose)
        if error is not None:
            raise error

    repair = Repair(node.state, ending, node.root, lambda: node.now_s)
    repair.once()
    repair.once()

    assert node.asked == []
    assert node.refusals == []


def test_a_change_is_looked_at_without_waiting_for_the_next_turn(node: Node) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=node.repair.run, args=(stop, 60.0), daemon=True)
    thread.start()
    try:
        node.run("web", "", pod="web")
        node.run("engine", "2-3", mems="0")
        until(lambda: node.asked == [("web", "0-1,4-7", "")], "corrected")
    finally:
        stop.set()
        node.state.wake()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()


def container_of(node: Node) -> Container:
    (found,) = node.state.snapshot().node.ledger.containers
    return found[1]


def test_memory_is_moved_of_one_container_after_another(node: Node) -> None:
    """The runtime makes no container while it moves, and their CPUs are right at once."""
    for name in ("first", "second"):
        node.run(name, "0-7")

    node.look()
    assert sorted(node.asked) == [("first", "2-3", "0"), ("second", "2-3", "")]
    node.asked.clear()
    node.write(node.folder("second"), "2-3", "0-1")
    node.look(after_s=3)

    assert node.asked == [("second", "2-3", "0")]


def test_what_was_corrected_is_in_the_ledger(node: Node) -> None:
    node.run("engine", "0-7", mems="0")
    node.look()

    assert str(container_of(node).cpus) == "2-3"


def test_at_rest_those_without_cpu_sets_are_looked_at_in_every_third_round(node: Node) -> None:
    node.run("engine", "2-3", mems="0")
    node.run("web", "0-1,4-7", pod="web")
    node.look()
    node.look(after_s=10)
    node.write(node.folder("web"), "2-3")

    node.look(after_s=10)
    assert node.asked == []
    node.look(after_s=10)
    node.look(after_s=10)

    assert node.asked == [("web", "0-1,4-7", "")]


def test_after_a_change_everybody_is_looked_at_at_once(node: Node) -> None:
    node.run("web", "0-1,4-7", pod="web")
    node.look()
    node.look(after_s=10)
    node.write(node.folder("web"), "2-3")
    node.run("engine", "2-3", mems="0")

    node.look()
    node.look(after_s=10)

    assert ("web", "0-1,4-7", "") in node.asked
