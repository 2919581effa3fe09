import threading

import pytest

from numalocal_deviceplugin.node import telling
from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.state import State

from ..waiting import PATIENCE_S, until


def refusal(message: str = "why", subject: str = "default/llama-0/engine") -> Refusal:
    return Refusal(reason=Reason.DRIFT, message=message, subject=subject)


def test_a_refusal_is_told_when_it_begins_and_when_it_has_ended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    before = telling.told(frozenset(), [refusal()])
    before = telling.told(before, [refusal()])
    before = telling.told(before, [])
    telling.told(before, [])

    assert [record.message for record in caplog.records] == ["not served", "served again"]
    begun = vars(caplog.records[0])
    assert (begun["reason"], begun["subject"], begun["err"]) == (
        "Drift",
        "default/llama-0/engine",
        "why",
    )


def test_other_numbers_in_a_sentence_are_nothing_new(caplog: pytest.LogCaptureFixture) -> None:
    before = telling.told(frozenset(), [refusal("it may use CPU 1")])
    for cpu in range(100):
        before = telling.told(before, [refusal(f"it may use CPU {cpu}")])

    assert len(caplog.records) == 1


def test_each_subject_is_told_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    telling.told(frozenset(), [refusal(subject="a/b/c"), refusal(subject="a/b/d")])

    assert len(caplog.records) == 2


def test_refusals_are_told_as_they_come(state: State, caplog: pytest.LogCaptureFixture) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=telling.run, args=(state, stop), daemon=True)
    thread.start()
    try:
        state.refuse("test", [refusal()])
        until(lambda: "not served" in caplog.text, "told")
    finally:
        stop.set()
        state.wake()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
