import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.errors import KubeletSilent
from numalocal_deviceplugin.node.watch import ListingWatch
from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.settling import Listing
from numalocal_deviceplugin.state import State

from ..nodes import N0, make_container, make_pod
from ..waiting import PATIENCE_S, until

LISTING = {("default", "llama-0"): frozenset({N0})}


def silent() -> Listing:
    raise KubeletSilent("no answer")


def test_what_the_kubelet_lists_is_taken_at_every_look(state: State) -> None:
    ListingWatch(state, lambda: LISTING).look()

    assert state.snapshot().facts.listing == LISTING


def test_what_a_silent_kubelet_listed_before_counts(state: State) -> None:
    ListingWatch(state, lambda: LISTING).look()

    ListingWatch(state, silent).look()

    assert state.snapshot().facts.listing == LISTING


def test_silence_is_told_once(state: State, caplog: pytest.LogCaptureFixture) -> None:
    watch = ListingWatch(state, silent)
    for _ in range(10):
        watch.look()

    assert [record.message for record in caplog.records] == ["kubelet's devices not known"]


def test_the_kubelet_is_asked_until_told_to_stop(state: State) -> None:
    asked = []

    def listing() -> Listing:
        asked.append(1)
        return {}

    with running(ListingWatch(state, listing)):
        until(lambda: len(asked) > 2, "asked")


class Turns(threading.Event):
    """A stop that lets so many turns pass at once; before each something may happen."""

    def __init__(self, *happens: Callable[[], object]) -> None:
        super().__init__()
        self._happens = list(happens)

    def wait(self, timeout: float | None = None) -> bool:
        if not self._happens:
            return True
        self._happens.pop(0)()
        return False


def nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("happens", "asked"),
    [
        ([nothing] * 19, 1 + 1 + 2),  # what it lists is new at first
        ([nothing, nothing, "change", nothing], 1 + 1 + 1),
        ([nothing, "change", "change", "change"], 1 + 1 + 3),
    ],
)
def test_a_node_at_rest_is_asked_for_seldom_and_after_a_change_at_the_next_turn(
    state: State, happens: Sequence[object], asked: int
) -> None:
    count, times = itertools.count(), 0

    def change() -> None:
        state.refuse("test", [Refusal(reason=Reason.NOT_BOUND, message=str(next(count)))])

    def listing() -> Listing:
        nonlocal times
        times += 1
        return LISTING

    watch = ListingWatch(state, listing)
    watch.look()
    watch.run(Turns(*(change if one == "change" else nothing for one in happens)), 10.0)

    assert times == asked


def test_while_a_set_is_contested_the_kubelet_is_asked_at_every_turn(state: State) -> None:
    pod = make_pod()
    held = Assignment.of(state.snapshot().node.partition.sets[:1])
    state.admit(pod, make_container(assignment=str(held)), held)
    times = 0

    def listing() -> Listing:
        nonlocal times
        times += 1
        return {(pod.namespace, pod.name): frozenset()}

    ListingWatch(state, listing).run(Turns(*[nothing] * 5), 10.0)

    assert {*state.snapshot().facts.contested} == {N0}
    assert times == 5


@contextmanager
def running(watch: ListingWatch) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stop, 0.005), daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
