import threading

import pytest

from numalocal_deviceplugin.errors import KubeletSilent
from numalocal_deviceplugin.node.watch import ListingWatch
from numalocal_deviceplugin.settling import Listing
from numalocal_deviceplugin.state import State

from ..nodes import N0
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
    stop = threading.Event()
    asked = []

    def listing() -> Listing:
        asked.append(1)
        return {}

    watch = ListingWatch(state, listing)
    thread = threading.Thread(target=watch.run, args=(stop, 0.005), daemon=True)
    thread.start()
    until(lambda: len(asked) > 2, "asked")
    stop.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
