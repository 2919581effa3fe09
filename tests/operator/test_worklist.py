import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal_operator.worklist import Key, Worklist

A: Key = ("serving", "a")
B: Key = ("serving", "b")


def test_nothing_is_due_at_first() -> None:
    worklist = Worklist()

    assert worklist.take(0) is None
    assert worklist.next_due_s() is None


def test_a_key_added_often_is_taken_once() -> None:
    worklist = Worklist()
    for _ in range(3):
        worklist.add(A, 0)

    assert worklist.take(0) == A
    assert worklist.take(0) is None


def test_the_key_that_is_due_longest_comes_first() -> None:
    worklist = Worklist()
    worklist.add(A, 5)
    worklist.add(B, 1)

    assert [worklist.take(5), worklist.take(5)] == [B, A]


def test_a_delayed_key_is_due_when_its_delay_ends() -> None:
    worklist = Worklist()
    worklist.add(A, 10, delay_s=5)

    assert worklist.take(14.9) is None
    assert worklist.next_due_s() == 15
    assert worklist.take(15) == A


@pytest.mark.parametrize(("first", "second"), [(0.0, 9.0), (9.0, 0.0)], ids=["sooner", "later"])
def test_the_earlier_of_two_due_times_holds(first: float, second: float) -> None:
    worklist = Worklist()
    worklist.add(A, 0, first)
    worklist.add(A, 0, second)

    assert worklist.take(0) == A
    assert worklist.next_due_s() is None


def test_a_failing_key_comes_ever_more_slowly_up_to_two_minutes() -> None:
    worklist = Worklist()

    delays = [worklist.failed(A, 0) for _ in range(9)]

    assert delays == [1, 2, 4, 8, 16, 32, 64, 120, 120]


def test_success_and_others_failures_leave_a_key_its_short_retry() -> None:
    worklist = Worklist()
    for _ in range(5):
        worklist.failed(A, 0)
        worklist.failed(B, 0)
    worklist.succeeded(A)

    assert worklist.failed(A, 0) == 1


def test_failing_for_ever_overflows_nothing() -> None:
    worklist = Worklist()

    assert {worklist.failed(A, 0) for _ in range(3000)} == {1, 2, 4, 8, 16, 32, 64, 120}


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.floats(0, 100), st.floats(0, 100))))
def test_every_key_that_was_added_is_taken_exactly_once(
    added: list[tuple[Key, float, float]],
) -> None:
    worklist = Worklist()
    for key, now_s, delay_s in added:
        worklist.add(key, now_s, delay_s)

    taken = []
    while (key_taken := worklist.take(1000)) is not None:
        taken.append(key_taken)

    assert sorted(taken) == sorted({key for key, _, _ in added})


@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 5), st.sampled_from(("add", "take")))
    )
)
def test_keys_come_in_the_order_of_their_due_times_each_once(
    steps: list[tuple[str, int, str]],
) -> None:
    worklist, model, now_s = Worklist(), dict[Key, float](), 0.0
    for name, delay_s, what in steps:
        key = ("serving", name)
        if what == "add":
            worklist.add(key, now_s, delay_s)
            model[key] = min(model.get(key, now_s + delay_s), now_s + delay_s)
        else:
            now_s += delay_s
            first = min(model.values(), default=now_s + 1)
            taken = worklist.take(now_s)
            assert (taken is None) == (first > now_s)
            if taken is not None:
                assert model.pop(taken) == first
        assert worklist.next_due_s() == min(model.values(), default=None)


def test_ten_thousand_keys_cost_no_more_each_than_a_few() -> None:
    worklist = Worklist()
    keys = [("serving", f"worker-{number}") for number in range(20_000)]
    for key in keys:
        worklist.add(key, 0.0)

    began_s = time.process_time()
    taken = [worklist.take(1.0) for _ in keys]

    assert set(taken) == set(keys)
    assert time.process_time() - began_s < 5, "20,000 squared takes minutes"
