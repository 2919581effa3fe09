import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal_deviceplugin.counters import BUCKETS_S, Count, Counters, Duration


def test_an_event_is_counted_by_its_label() -> None:
    counters = Counters()

    counters.add(Count.ALLOCATIONS, "cpuset")
    counters.add(Count.ALLOCATIONS, "cpuset")
    counters.add(Count.ALLOCATIONS, "small")
    counters.add(Count.UNBOUND_STARTS, by=3)

    assert counters.now().counts == {
        (Count.ALLOCATIONS, "cpuset"): 2,
        (Count.ALLOCATIONS, "small"): 1,
        (Count.UNBOUND_STARTS, ""): 3,
    }


def test_what_was_given_out_does_not_change_later() -> None:
    counters = Counters()
    before = counters.now()

    counters.add(Count.CORRECTIONS)
    counters.observe(Duration.ALLOCATE, 0.1)

    assert not before.counts
    assert not any(before.durations[Duration.ALLOCATE].counts)


def test_no_event_of_many_threads_is_lost() -> None:
    counters = Counters()

    def count() -> None:
        for _ in range(2000):
            counters.add(Count.CORRECTIONS)
            counters.observe(Duration.ALLOCATE, 0.5)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counters.now().counts[Count.CORRECTIONS, ""] == 8000
    assert counters.now().durations[Duration.ALLOCATE].sum_s == 4000


@given(st.lists(st.floats(min_value=0, max_value=10), max_size=30))
def test_a_duration_is_in_the_first_bucket_that_is_no_shorter(durations: list[float]) -> None:
    counters = Counters()
    for took_s in durations:
        counters.observe(Duration.SYNCHRONIZE, took_s)

    taken = counters.now().durations[Duration.SYNCHRONIZE]

    for at, bound_s in enumerate(BUCKETS_S):
        assert sum(taken.counts[: at + 1]) == sum(took_s <= bound_s for took_s in durations)
    assert sum(taken.counts) == len(durations)
    assert taken.sum_s == pytest.approx(sum(durations))


def test_a_call_that_fails_is_timed_as_well() -> None:
    counters = Counters()

    with pytest.raises(LookupError), counters.timed(Duration.CREATE_CONTAINER):
        raise LookupError

    assert sum(counters.now().durations[Duration.CREATE_CONTAINER].counts) == 1


def test_a_listing_is_remembered_by_the_time_of_day() -> None:
    counters = Counters()
    assert counters.now().listed_at_s == 0

    counters.listed()

    assert counters.now().listed_at_s == pytest.approx(time.time(), abs=60)
